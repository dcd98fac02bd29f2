package hotkey

// maxKeySize is memcached's limit, in bytes.
const maxKeySize = 250

// names keeps the bytes of the keys that may become hot, by hash, in a fixed number of cells. A key is put here at its
// second sample in a window: noise is not copied at all, and a key that has enough samples to be judged was put here
// within the trailing second. Keys under watch are pinned.
type names struct {
	index   index
	cells   []name
	used    int
	hand    int    // where the search for a cell to reuse goes on
	now     uint32 // ticks
	refused uint64 // puts: no cell, or no valid key
}

type name struct {
	stamp uint32 // when it was last put
	pins  uint8
	size  uint8
	key   [maxKeySize]byte
}

func newNames(cells int) *names {
	return &names{index: newIndex(cells), cells: make([]name, cells)}
}

// maxNameSearch bounds the search for a cell.
const maxNameSearch = 64

func (n *names) put(hash uint64, key string) {
	if key == "" || len(key) > maxKeySize { // no key of memcached's
		n.refused++
		return
	}
	place := n.index.find(hash)
	if place < 0 {
		if place = n.free(); place < 0 {
			n.refused++
			return
		}
		n.index.insert(hash, place)
		c := &n.cells[place]
		c.size = uint8(copy(c.key[:], key))
	}
	n.cells[place].stamp = n.now
}

// free returns a cell that is free, or makes free one that is neither pinned nor of the trailing second; -1 if there is
// none near.
func (n *names) free() int {
	if n.used < len(n.cells) {
		n.used++
		return n.used - 1
	}
	for range maxNameSearch {
		place := n.hand
		n.hand = (n.hand + 1) % len(n.cells)
		if c := &n.cells[place]; c.pins == 0 && n.now-c.stamp > windowCount {
			n.index.remove(place)
			return place
		}
	}
	return -1
}

// get returns a copy of the key, "" if it is not here.
func (n *names) get(hash uint64) string {
	place := n.index.find(hash)
	if place < 0 {
		return ""
	}
	c := &n.cells[place]
	return string(c.key[:c.size])
}

// pin keeps the key until unpin; false if it is not here.
func (n *names) pin(hash uint64) bool {
	place := n.index.find(hash)
	if place < 0 {
		return false
	}
	n.cells[place].pins++
	return true
}

func (n *names) unpin(hash uint64) {
	if place := n.index.find(hash); place >= 0 && n.cells[place].pins > 0 {
		n.cells[place].pins--
	}
}
