package memcachetest

import (
	"fmt"
	"time"
)

// Fault is one way to misbehave, for Server.Inject and Server.InjectNext.
// Faults that name a reply or a byte count on each connection by itself, from
// the moment they are injected; new connections count from their start. One
// command has one reply, which may be long; a command that stays silent has
// none. The same faults and the same requests give the same bytes.
//
// A Fault is a value without state and may be used any number of times.
type Fault struct {
	kind   faultKind
	text   string // how the test wrote it
	at     int    // number of a reply from 1, or of bytes
	repeat bool
	size   int
	pause  time.Duration
	line   string
	length uint64
}

type faultKind uint8

const (
	faultRefuse faultKind = iota + 1
	faultHang
	faultDelay
	faultStall
	faultReset
	faultClose
	faultDrip
	faultStray
	faultDuplicate
	faultSwap
	faultCorrupt
	faultEndless
)

// String returns the fault as it is written in Go.
func (f Fault) String() string {
	if f.repeat {
		return f.text + ".Repeat()"
	}
	return f.text
}

// Repeat returns a fault that strikes again and again: once it has struck it
// counts replies anew. SwapReplies(10).Repeat() swaps every tenth reply with its
// successor. It changes StrayLine, DuplicateReply, SwapReplies and
// CorruptLength; the others last until Heal anyway.
func (f Fault) Repeat() Fault {
	f.repeat = true
	return f
}

// Refuse makes the server refuse connections; open ones stay. It stops
// listening, so that a dial fails as it does with a dead server.
func Refuse() Fault { return Fault{kind: faultRefuse, text: "Refuse()"} }

// Hang makes the server accept connections and never read from them, as a
// stopped or cut off one does. Bytes that it has read already are not looked
// at. After Heal it goes on where it was.
func Hang() Fault { return Fault{kind: faultHang, text: "Hang()"} }

// Delay makes the server wait for d before each write. Replies to requests that
// arrived together share one write. While it waits the connection reads nothing.
func Delay(d time.Duration) Fault {
	return Fault{kind: faultDelay, text: fmt.Sprintf("Delay(%v)", d), pause: d}
}

// StallAfter makes the connection silent after n more replies. Requests behind
// them are executed if they arrive together with the next one, or not at all.
// After Heal the held replies are sent.
func StallAfter(n int) Fault {
	return Fault{kind: faultStall, text: fmt.Sprintf("StallAfter(%d)", n), at: notNegative(n)}
}

// ResetAt resets the connection (RST) right after n more bytes of replies. With
// n = 0 it does so instead of sending the next reply.
func ResetAt(n int) Fault {
	return Fault{kind: faultReset, text: fmt.Sprintf("ResetAt(%d)", n), at: notNegative(n)}
}

// CloseAt closes the connection (FIN) after n more bytes of replies, like
// ResetAt.
func CloseAt(n int) Fault {
	return Fault{kind: faultClose, text: fmt.Sprintf("CloseAt(%d)", n), at: notNegative(n)}
}

// Drip sends replies in pieces of size bytes and waits for d before each.
func Drip(size int, d time.Duration) Fault {
	return Fault{kind: faultDrip, text: fmt.Sprintf("Drip(%d, %v)", size, d), size: positive(size), pause: d}
}

// StrayLine sends line, to which it adds CRLF, before reply n, counted from 1.
func StrayLine(n int, line string) Fault {
	return Fault{kind: faultStray, text: fmt.Sprintf("StrayLine(%d, %q)", n, line), at: positive(n), line: line}
}

// DuplicateReply sends reply n twice.
func DuplicateReply(n int) Fault {
	return Fault{kind: faultDuplicate, text: fmt.Sprintf("DuplicateReply(%d)", n), at: positive(n)}
}

// SwapReplies holds reply n back and sends it behind reply n+1, however long
// that takes to come. After Heal a reply still held goes out with the next one.
func SwapReplies(n int) Fault {
	return Fault{kind: faultSwap, text: fmt.Sprintf("SwapReplies(%d)", n), at: positive(n)}
}

// CorruptLength replaces the declared length of a value by length: in the first
// reply from n on that declares one, at its first VALUE or VA line.
func CorruptLength(n int, length uint64) Fault {
	return Fault{kind: faultCorrupt, text: fmt.Sprintf("CorruptLength(%d, %d)", n, length),
		at: positive(n), length: length}
}

// EndlessItems makes the first reply with an item never end: its first item is
// sent over and over, and END never comes. With Delay there is a pause before
// each item. After Heal a classic reply gets its END.
func EndlessItems() Fault { return Fault{kind: faultEndless, text: "EndlessItems()"} }

func positive(n int) int {
	if n < 1 {
		panic(fmt.Sprintf("memcachetest: a fault counts from 1, not %d", n))
	}
	return n
}

func notNegative(n int) int {
	if n < 0 {
		panic(fmt.Sprintf("memcachetest: a fault cannot happen at %d", n))
	}
	return n
}
