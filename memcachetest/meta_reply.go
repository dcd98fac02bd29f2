package memcachetest

import "strconv"

// appendFlag appends a flag word as it came.
func (c *conn) appendFlag(flag []byte) {
	c.out.buf = append(append(c.out.buf, ' '), flag...)
}

func (c *conn) appendNumber(letter byte, n uint64) {
	c.out.buf = strconv.AppendUint(append(c.out.buf, ' ', letter), n, 10)
}

// appendStatus appends HD, or VA and the length if the value is wanted.
func (c *conn) appendStatus(length int, r *metaRequest) {
	if !r.value {
		c.out.buf = append(c.out.buf, "HD"...)
		return
	}
	c.out.buf = strconv.AppendInt(append(c.out.buf, "VA "...), int64(length), 10)
}

// appendKey appends the flag k, and b after it if markBinaryKey asks for base64.
func (c *conn) appendKey(key string, mark itemMark) {
	c.out.buf = append(c.out.buf, " k"...)
	if mark&markBinaryKey == 0 {
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
func (c *conn) appendRequestFlags(r *metaRequest) bool {
	for _, flag := range r.flags {
		switch flag[0] {
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false
			}
			c.appendFlag(flag)
		case 'k':
			c.appendKey(string(r.key), r.keyMark)
		}
	}
	return true
}
