package pool

// arena is memory that the values of one batch share, so that a hundred small values cost a few allocations and not a
// hundred. It is the reader's. Callers of batches know that what they get shares memory; values of other batches, and of
// requests that came alone, are never among it.
type arena struct {
	batch uint32
	free  []byte // its capacity beyond its length
}

const (
	maxShared   = 1 << 10 // a larger value gets a slice of its own
	maxArenaRun = 8 << 10 // bytes allocated at once: so much is kept by who keeps one value
)

// takeValue gives the head's call its value, which has come whole. A slice of its own is made here, by the reader, so that
// the value is copied once.
func (c *conn) takeValue(k *call, value []byte) {
	switch {
	case !k.fresh:
		k.buf = append(k.buf[:0], value...)
		return
	case k.batch == 0 || len(value) == 0 || len(value) > maxShared:
		k.buf = make([]byte, len(value))
		copy(k.buf, value)
	default:
		k.buf = c.share(k.batch, value)
	}
	k.given = true
}

// share copies value into the memory of its batch. As more is allocated, the values that are still owed are taken to be as
// large as this one.
func (c *conn) share(batch uint32, value []byte) []byte {
	a, n := &c.reader.arena, len(value)
	if a.batch != batch || cap(a.free)-len(a.free) < n {
		*a = arena{batch, make([]byte, 0, n*c.owedOf(batch, maxArenaRun/n))}
	}
	at := len(a.free)
	a.free = append(a.free, value...)
	return a.free[at : at+n : at+n]
}

// owedOf returns how many of the calls that are owed first are of that batch, as the head is; it counts to most.
func (c *conn) owedOf(batch uint32, most int) int {
	for n := 1; n < most; n++ {
		if k := c.owed.peek(uint32(n)); k == nil || k.batch != batch {
			return n
		}
	}
	return most
}
