package discovery

import (
	"errors"
	"strconv"
)

// Why a source's answer is not used.
var (
	// ErrNoNodes is an empty answer: the source answered and knows of no node. The last good list stays.
	ErrNoNodes = errors.New("discovery: the source knows of no node")
	// ErrTooManyNodes is a list longer than Config.MaxNodes.
	ErrTooManyNodes = errors.New("discovery: too many nodes")
	// ErrWatchEnded is a Watcher's Watch that returned without an error while it should go on.
	ErrWatchEnded = errors.New("discovery: the watch ended")
)

// What is wrong with a node; the cause of a NodeError.
var (
	ErrBadAddr       = errors.New("no valid address: " + addrForms)    // it is none of these
	ErrBadName       = errors.New("bad name")                          // over 255 bytes, not UTF-8, or with spaces or control characters
	ErrBadZone       = errors.New("bad zone")                          // as for names
	ErrBadWeight     = errors.New("weight is not a positive number")   // negative, infinite or NaN; in a file also 0
	ErrDuplicateName = errors.New("another node of this name exists")  // at another address
	ErrDuplicateAddr = errors.New("another node has the same address") // under another name
)

// What is wrong with a source, or with what it reads.
var (
	ErrBadSpec   = errors.New("discovery: no valid node or source")   // what Parse was given
	ErrBadConfig = errors.New("discovery: no valid configuration")    // what NewFollower was given
	ErrBadReply  = errors.New("discovery: no cluster configuration")  // what a node answered to ElastiCache's question
	ErrTooLarge  = errors.New("discovery: the file is too long")      // over File.MaxBytes
	ErrChanging  = errors.New("discovery: the file is being written") // two looks at it differ
)

// NodeError is a node that cannot be used. The list it is in is refused whole.
type NodeError struct {
	Name, Addr string
	Err        error // ErrBadAddr to ErrDuplicateAddr
}

func (e *NodeError) Error() string {
	text := "discovery: node " + quote(e.Name)
	if e.Addr != e.Name {
		text += " at " + quote(e.Addr)
	}
	return text + ": " + e.Err.Error()
}

// Unwrap returns what is wrong.
func (e *NodeError) Unwrap() error { return e.Err }

// quote shows what others wrote, without control characters and not at any length.
func quote(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
