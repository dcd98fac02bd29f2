package sflow

import (
	"net/netip"
	"time"
)

// Operation is one operation on one key, as the memcache_operation record has it.
type Operation struct {
	Protocol   Protocol // the zero value is ASCII, as which the meta protocol counts
	Command    Command
	Key        string         // at most 255 bytes are sent
	Keys       int            // in the request, this one among them; 0 means 1
	ValueBytes int            // size of the value, read or written
	Duration   time.Duration  // sent in microseconds; 0 if it is not known
	Status     Status         // the server's answer
	Node       netip.AddrPort // that was asked; the zero value means not known, and no socket record is sent
	Local      netip.AddrPort // this end of the connection; the zero value means the agent's address, and an unknown port
}

// Protocol is that of the request. Its values here are such that the zero value is the usual one; on the wire they are
// those of sflow_memcache.txt, memcache_protocol.
type Protocol uint8

// The protocols.
const (
	ASCII Protocol = iota
	Binary
	OtherProtocol
)

func (p Protocol) wire() uint32 {
	switch p {
	case ASCII:
		return 1
	case Binary:
		return 2
	}
	return 0
}

// Command is what was asked for: sflow_memcache.txt, memcache_cmd.
type Command uint32

// The commands. One that is not among them is Other.
const (
	Other Command = iota
	Set
	Add
	Replace
	Append
	Prepend
	CAS
	Get
	Gets
	Incr
	Decr
	Delete
	Stats
	Flush
	Version
	Quit
	Touch
)

// Status is the server's answer: sflow_memcache.txt, memcache_status.
type Status uint32

// The statuses. A read is OK or NotFound; an operation without an answer is Unknown.
const (
	Unknown Status = iota
	OK
	Error
	ClientError
	ServerError
	Stored
	NotStored
	Exists
	NotFound
	Deleted
)
