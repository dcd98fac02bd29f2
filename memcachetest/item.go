package memcachetest

// Sizes of memcached 1.6.18's items on 64-bit machines (items.c).
const (
	itemHeaderSize = 48
	casSize        = 8
	flagsSize      = 4
	largeChunkSize = 512 << 10 // items above this are kept in chunks of this size
)

// itemMark is a set of the bits memcached keeps with an item.
type itemMark uint8

const (
	markFetched   itemMark = 1 << iota // read since it was stored (meta flag h)
	markActive                         // read twice
	markStale                          // invalidated, still readable (meta flag X)
	markTokenSent                      // somebody holds the lease (meta flags W and Z)
	markBinaryKey                      // stored with the meta flag b
)

// item is a key with its value. The store's lock guards it.
type item struct {
	key     string
	value   []byte
	flags   uint32
	exptime uint32 // moment of expiry; 0 for never
	access  uint32 // moment of the last access that counted
	cas     uint64
	mark    itemMark
	pins    int // replies under way that hold the item

	newer, older *item // neighbours in the LRU list
}

func (it *item) has(m itemMark) bool { return it.mark&m != 0 }

// bump notes a read. The first one makes the item fetched; from the second on
// the time of the last access moves.
func (it *item) bump(now uint32) {
	if it.has(markFetched) {
		if !it.has(markActive) {
			it.access = now
		}
		it.mark |= markActive
	}
	it.mark |= markFetched
}

// itemSize is what an item takes in memory, as the command "me" shows it.
func (l limits) itemSize(keyLen int, flags uint32, valueLen int) int {
	n := itemHeaderSize + keyLen + 1 + valueLen + len("\r\n")
	if flags != 0 {
		n += flagsSize
	}
	if !l.noCAS {
		n += casSize
	}
	return n
}

// chunked reports whether memcached would keep an item of this size in chunks.
func chunked(size int) bool { return size > largeChunkSize }

// charge is what an item of this size takes from the memory limit: a large one
// takes whole chunks besides its header.
func charge(size int) int {
	if !chunked(size) {
		return size
	}
	chunks := (size + largeChunkSize - 1) / largeChunkSize
	return chunks*largeChunkSize + itemHeaderSize
}
