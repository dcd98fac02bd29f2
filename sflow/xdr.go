package sflow

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// appendUint appends an unsigned int in XDR (RFC 4506, section 4.2).
func appendUint(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// appendString appends a string in XDR (RFC 4506, section 4.11): its length, its bytes, and zeros to a multiple of four.
func appendString(b []byte, s string) []byte {
	b = appendUint(b, uint32(len(s)))
	b = append(b, s...)
	return append(b, make([]byte, -len(s)&3)...)
}

// appendSized appends what fill appends, behind its length in bytes.
func appendSized(b []byte, fill func([]byte) []byte) []byte {
	at := len(b)
	b = fill(appendUint(b, 0))
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// uintOf is n as an unsigned int, or the nearest there is.
func uintOf(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

func microseconds(d time.Duration) uint32 { return uintOf(d.Microseconds()) }

// appendAddress appends an address (sflow_version_5.txt, address): its type and its bytes.
func appendAddress(b []byte, a netip.Addr) []byte {
	a = a.Unmap()
	if a.Is4() {
		b = appendUint(b, 1)
	} else {
		b = appendUint(b, 2)
	}
	return append(b, a.AsSlice()...)
}
