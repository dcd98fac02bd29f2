package sflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The types below are a second opinion: a decoder written from sflow_version_5.txt, sflow_host.txt and sflow_memcache.txt,
// which shares nothing with the encoder but those documents. It refuses whatever they do not allow.

type gotDatagram struct {
	agent    netip.Addr
	subAgent uint32
	sequence uint32
	uptime   uint32
	samples  []gotSample
}

type gotSample struct {
	sequence, class, index, rate, pool, drops, input, output uint32
	socket                                                   *gotSocket
	op                                                       *gotOperation
}

type gotSocket struct {
	protocol      uint32
	local, remote netip.AddrPort
}

type gotOperation struct {
	protocol, command, keys, bytes, micros, status uint32
	key                                            string
}

// cursor reads XDR; after the first error it returns zeros.
type cursor struct {
	data []byte
	err  error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *cursor) bytes(n int) []byte {
	if n > len(c.data) {
		c.fail("%d bytes wanted, %d there", n, len(c.data))
	}
	if c.err != nil {
		return make([]byte, n&0xffff)
	}
	head := c.data[:n]
	c.data = c.data[n:]
	return head
}

func (c *cursor) uint() uint32 { return binary.BigEndian.Uint32(c.bytes(4)) }

func (c *cursor) enum(name string, most uint32) uint32 {
	v := c.uint()
	if v > most {
		c.fail("%s is %d", name, v)
	}
	return v
}

func (c *cursor) string(most int) string {
	n := int(c.uint())
	if n > most {
		c.fail("string of %d bytes, %d allowed", n, most)
		return ""
	}
	s := string(c.bytes(n))
	for len(s)%4 != 0 && n%4 != 0 {
		if c.bytes(1)[0] != 0 {
			c.fail("padding is not zero")
		}
		n++
	}
	return s
}

func (c *cursor) addr(n int) netip.Addr {
	a, _ := netip.AddrFromSlice(c.bytes(n))
	return a
}

// opaque returns a cursor over the next sized piece.
func (c *cursor) opaque() *cursor {
	n := int(c.uint())
	if n%4 != 0 {
		c.fail("opaque of %d bytes", n)
	}
	return &cursor{data: c.bytes(n), err: c.err}
}

// end adopts the errors of an inner cursor, all of which must have been read.
func (c *cursor) end(inner *cursor) {
	if inner.err != nil {
		c.fail("%w", inner.err)
	}
	if len(inner.data) > 0 {
		c.fail("%d bytes left over", len(inner.data))
	}
}

func decode(packet []byte) (gotDatagram, error) {
	c := &cursor{data: packet}
	if v := c.uint(); v != 5 {
		return gotDatagram{}, fmt.Errorf("version %d", v)
	}
	var d gotDatagram
	switch family := c.uint(); family {
	case 1:
		d.agent = c.addr(4)
	case 2:
		d.agent = c.addr(16)
	default:
		return d, fmt.Errorf("address type %d", family)
	}
	d.subAgent, d.sequence, d.uptime = c.uint(), c.uint(), c.uint()
	n := c.uint()
	for range n {
		if c.err != nil {
			break
		}
		if tag := c.uint(); tag != 1 {
			c.fail("sample of format %d", tag)
		}
		inner := c.opaque()
		d.samples = append(d.samples, inner.flowSample())
		c.end(inner)
	}
	if c.err == nil && len(c.data) > 0 {
		return d, errors.New("bytes behind the last sample")
	}
	return d, c.err
}

func (c *cursor) flowSample() (s gotSample) {
	s.sequence = c.uint()
	source := c.uint()
	s.class, s.index = source>>24, source&0xffffff
	s.rate, s.pool, s.drops, s.input, s.output = c.uint(), c.uint(), c.uint(), c.uint(), c.uint()
	for n := c.uint(); n > 0 && c.err == nil; n-- {
		tag := c.uint()
		inner := c.opaque()
		switch tag {
		case 2100:
			s.socket = inner.socket(4)
		case 2101:
			s.socket = inner.socket(16)
		case 2200:
			s.op = inner.operation()
		default:
			c.fail("record of format %d", tag)
		}
		c.end(inner)
	}
	return s
}

func (c *cursor) socket(size int) *gotSocket {
	s := gotSocket{protocol: c.uint()}
	local, remote := c.addr(size), c.addr(size)
	s.local = netip.AddrPortFrom(local, uint16(c.enum("local port", 65535)))
	s.remote = netip.AddrPortFrom(remote, uint16(c.enum("remote port", 65535)))
	return &s
}

func (c *cursor) operation() *gotOperation {
	var op gotOperation
	op.protocol = c.enum("memcache_protocol", 2)
	op.command = c.enum("memcache_cmd", 16)
	op.key = c.string(255)
	op.keys, op.bytes, op.micros = c.uint(), c.uint(), c.uint()
	op.status = c.enum("memcache_status", 9)
	return &op
}
