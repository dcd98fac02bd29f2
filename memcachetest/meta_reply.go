package memcachetest

import "strconv"

// appendFlag appends a flag word as it came.
func (c *conn) appendFlag(flag []byte) {
	c.out.buf = append(append(c.out.buf, ' '), flag...)
}

func (c *conn) appendNumber(letter byte, n uint64) {
	c.out.buf = strconv.AppendUint(append(c.out.buf, ' ', letter), n, 10)
}

// appendKey appends the flag k, and b after it if the key is shown in base64.
func (c *conn) appendKey(key string, binary bool) {
	c.out.buf = append(c.out.buf, " k"...)
	if !binary {
		c.out.buf = append(c.out.buf, key...)
		return
	}
	c.out.buf = append(appendBase64(c.out.buf, key), " b"...)
}

// appendTTL appends the seconds left, -1 for ever.
func (c *conn) appendTTL(it *item, now uint32) {
	if it.exptime == 0 {
		c.out.buf = append(c.out.buf, " t-1"...)
		return
	}
	c.appendNumber('t', uint64(it.exptime-now))
}

func (c *conn) endLine() { c.out.buf = append(c.out.buf, "\r\n"...) }

// appendRequestFlags appends what a reply without an item repeats: O and k.
// It returns false at an opaque that is too long.
func (c *conn) appendRequestFlags(key []byte, flags [][]byte, f metaFlags) bool {
	for _, flag := range flags {
		switch flag[0] {
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false
			}
			c.appendFlag(flag)
		case 'k':
			c.appendKey(string(key), f.binaryKey)
		}
	}
	return true
}
