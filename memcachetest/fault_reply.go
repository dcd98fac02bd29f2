package memcachetest

import (
	"bytes"
	"slices"
	"strconv"
)

// armedFault is a fault at work on one connection.
type armedFault struct {
	Fault
	seen  int    // replies so far, or since it struck
	spent bool   // it has struck and does not repeat
	sent  int    // bytes so far
	held  []byte // reply to be sent later
	item  []byte // the endless item, once there is one
	end   []byte // what ends the reply of the endless item
}

// pass returns what becomes of a reply.
func (f *armedFault) pass(reply []byte) []byte {
	f.seen++
	switch f.kind {
	case faultStray:
		if f.strikes() {
			return slices.Concat([]byte(f.line), []byte("\r\n"), reply)
		}
	case faultDuplicate:
		if f.strikes() {
			return slices.Concat(reply, reply)
		}
	case faultSwap:
		return f.swap(reply)
	case faultCorrupt:
		return f.corrupt(reply)
	case faultEndless:
		return f.takeItem(reply)
	}
	return reply
}

// strikes reports whether this reply is the one, and counts anew if so.
func (f *armedFault) strikes() bool {
	if f.spent || f.seen < f.at {
		return false
	}
	f.struck()
	return true
}

func (f *armedFault) struck() {
	f.spent = !f.repeat
	f.seen = 0
}

func (f *armedFault) swap(reply []byte) []byte {
	if f.held != nil {
		late := f.held
		f.held = nil
		f.seen = 0
		return slices.Concat(reply, late)
	}
	if !f.strikes() {
		return reply
	}
	f.held = bytes.Clone(reply)
	return nil
}

func (f *armedFault) corrupt(reply []byte) []byte {
	if f.spent || f.seen < f.at {
		return reply
	}
	start, end, ok := declaredLength(reply)
	if !ok {
		return reply
	}
	f.struck()
	return slices.Concat(reply[:start], strconv.AppendUint(nil, f.length, 10), reply[end:])
}

// declaredLength finds the first item's length in a reply: reply[start:end] are
// its digits.
func declaredLength(reply []byte) (start, end int, ok bool) {
	word := 0
	switch {
	case bytes.HasPrefix(reply, []byte("VALUE ")):
		word = 3
	case bytes.HasPrefix(reply, []byte("VA ")):
		word = 1
	default:
		return 0, 0, false
	}
	for range word {
		start += bytes.IndexByte(reply[start:], ' ') + 1
	}
	end = start + bytes.IndexAny(reply[start:], " \r")
	return start, end, true
}

// takeItem keeps the first item of a reply to repeat it, and removes the rest.
func (f *armedFault) takeItem(reply []byte) []byte {
	start, end, ok := declaredLength(reply)
	if !ok || f.item != nil {
		return reply
	}
	length, err := strconv.Atoi(string(reply[start:end]))
	if err != nil { // another fault made it too large to be honest about
		return reply
	}
	head := bytes.IndexByte(reply, '\n') + 1
	f.item = bytes.Clone(reply[:min(head+length+len("\r\n"), len(reply))])
	if reply[2] == 'L' {
		f.end = []byte("END\r\n")
	}
	return nil
}
