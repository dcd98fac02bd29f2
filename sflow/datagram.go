package sflow

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Tags of sFlow version 5: enterprise 0 in the upper 20 bits, and a format.
const (
	flowSampleFormat      = 1    // sflow_version_5.txt
	socketIPv4Format      = 2100 // sflow_host.txt
	socketIPv6Format      = 2101
	memcacheFormat        = 2200 // sflow_memcache.txt
	logicalEntity         = 3    // class of a data source: sflow_host.txt
	internalInterface     = 0x3FFFFFFF
	unknownInterface      = 0
	tcp                   = 6 // IP protocol
	maxKey                = 255
	maxDatagram           = 1400 // the usual limit of sFlow agents: fits any path without fragments
	datagramVersion       = 5
	samplesBehindSequence = 8 // bytes from sequence_number to the number of samples
)

// sample is an operation that was chosen, with the counts of that moment.
type sample struct {
	op    Operation
	pool  uint32 // operations there were to choose from, so far
	drops uint32 // samples lost so far
}

// datagram collects samples. Its owner is the sending goroutine.
type datagram struct {
	source   uint32 // source_id
	rate     uint32
	agent    netip.Addr
	started  time.Time
	sequence uint32 // of datagrams
	sampled  uint32 // sequence of samples
	count    uint32 // of samples in buf
	buf      []byte
	counted  int // where in buf the sequence number is
	scratch  []byte
}

func newDatagram(c Config, agent netip.Addr) *datagram {
	d := &datagram{
		source:  logicalEntity<<24 | c.DataSource,
		rate:    uint32(c.SamplingRate),
		agent:   agent,
		started: time.Now(),
	}
	d.buf = appendUint(make([]byte, 0, maxDatagram), datagramVersion)
	d.buf = appendAddress(d.buf, agent)
	d.buf = appendUint(d.buf, c.DataSource) // sub_agent_id
	d.counted = len(d.buf)
	d.reset()
	return d
}

// reset leaves the head only: sequence number, uptime and number of samples are set by finish.
func (d *datagram) reset() {
	d.buf = append(d.buf[:d.counted], make([]byte, 12)...)
	d.count = 0
}

// add appends s, or reports that there is no room for it.
func (d *datagram) add(s *sample) bool {
	d.scratch = d.appendSample(d.scratch[:0], s)
	if d.count > 0 && len(d.buf)+len(d.scratch) > maxDatagram {
		return false
	}
	d.buf = append(d.buf, d.scratch...)
	d.count++
	d.sampled++
	return true
}

// finish returns the datagram, ready to be sent; it is valid until reset.
func (d *datagram) finish() []byte {
	d.sequence++
	head := d.buf[d.counted:]
	binary.BigEndian.PutUint32(head, d.sequence)
	binary.BigEndian.PutUint32(head[4:], uint32(time.Since(d.started).Milliseconds())) // wraps after 49 days, as specified
	binary.BigEndian.PutUint32(head[samplesBehindSequence:], d.count)
	return d.buf
}

// appendSample appends a flow_sample: sflow_version_5.txt.
func (d *datagram) appendSample(b []byte, s *sample) []byte {
	b = appendUint(b, flowSampleFormat)
	return appendSized(b, func(b []byte) []byte {
		b = appendUint(b, d.sampled+1) // sequence_number of the source
		b = appendUint(b, d.source)
		b = appendUint(b, d.rate)
		b = appendUint(b, s.pool)
		b = appendUint(b, s.drops)
		b = appendUint(b, internalInterface) // input: the operation comes from this host
		b = appendUint(b, unknownInterface)  // output
		if !s.op.Node.IsValid() {
			return appendOperation(appendUint(b, 1), &s.op)
		}
		return appendOperation(d.appendSocket(appendUint(b, 2), &s.op), &s.op)
	})
}

// appendSocket appends an extended_socket record: sflow_host.txt.
func (d *datagram) appendSocket(b []byte, op *Operation) []byte {
	remote, format := op.Node.Addr().Unmap(), uint32(socketIPv4Format)
	if !remote.Is4() {
		format = socketIPv6Format
	}
	return appendSized(appendUint(b, format), func(b []byte) []byte {
		b = appendUint(b, tcp)
		b = append(b, d.localFor(op, remote).AsSlice()...)
		b = append(b, remote.AsSlice()...)
		b = appendUint(b, uint32(op.Local.Port()))
		return appendUint(b, uint32(op.Node.Port()))
	})
}

// localFor is this end's address, of the same family as remote.
func (d *datagram) localFor(op *Operation, remote netip.Addr) netip.Addr {
	for _, local := range []netip.Addr{op.Local.Addr().Unmap(), d.agent.Unmap()} {
		if local.IsValid() && local.Is4() == remote.Is4() {
			return local
		}
	}
	if remote.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// appendOperation appends a memcache_operation record: sflow_memcache.txt.
func appendOperation(b []byte, op *Operation) []byte {
	return appendSized(appendUint(b, memcacheFormat), func(b []byte) []byte {
		b = appendUint(b, op.Protocol.wire())
		b = appendUint(b, uint32(op.Command))
		b = appendString(b, op.Key[:min(len(op.Key), maxKey)])
		b = appendUint(b, uintOf(int64(max(op.Keys, 1))))
		b = appendUint(b, uintOf(int64(op.ValueBytes)))
		b = appendUint(b, microseconds(op.Duration))
		return appendUint(b, uint32(op.Status))
	})
}
