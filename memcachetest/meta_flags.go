package memcachetest

import (
	"cmp"
	"strings"
)

// Limits of memcached 1.6.18's meta commands (proto_text.c).
const (
	maxMetaWords = 19 // command, key and flags
	maxOpaqueLen = 32 // with the letter O
)

const (
	badToken      = "CLIENT_ERROR bad token in command line format"
	opaqueTooLong = "CLIENT_ERROR opaque token too long"
)

// metaRequest is a meta command: its flags in order, as the reply repeats them,
// and what they ask for.
type metaRequest struct {
	key   []byte   // decoded if b is among the flags
	flags [][]byte // as they came

	keyMark  itemMark // markBinaryKey with b
	noUpdate bool
	value    bool
	vivify   bool
	stale    bool
	quiet    bool
	hasCAS   bool
	newTTL   bool
	mode     byte // 0 if absent

	exptime        uint32 // T
	vivifyExptime  uint32 // N
	recacheExptime uint32 // R
	clientFlags    uint32
	cas            uint64
	delta          uint64
	initial        uint64

	failed bool
	why    string // the error line; the last error wins

	bumpLate bool // the read counts only once the reply is complete

	created bool // the command has created the item
	won     bool // the caller owns the right to fill the item
}

// parseMeta reads the flags of a meta command. The error is "" or the line
// memcached answers.
func (c *conn) parseMeta(key []byte, flags [][]byte) (r *metaRequest, why string) {
	r = &metaRequest{key: key, flags: flags, delta: 1, why: badFormat}
	var seen [127]bool
	for _, word := range flags {
		letter := word[0]
		if letter >= 127 || seen[letter] {
			return r, "CLIENT_ERROR duplicate flag"
		}
		seen[letter] = true
		if !r.parse(c.process.clock, letter, word[1:]) {
			return r, "CLIENT_ERROR invalid flag"
		}
	}
	if r.failed {
		return r, r.why
	}
	return r, ""
}

func (r *metaRequest) reject(why string) {
	r.failed = true
	r.why = why
}

// opaqueFits reports whether the flag O, if there, is short enough to repeat.
func (r *metaRequest) opaqueFits() bool {
	for _, flag := range r.flags {
		if flag[0] == 'O' && len(flag) > maxOpaqueLen {
			return false
		}
	}
	return true
}

// parse notes one flag. It returns false for a letter that memcached does not know.
func (r *metaRequest) parse(clock *clock, letter byte, token []byte) bool {
	r.bumpLate = r.bumpLate || strings.IndexByte("NTRlh", letter) >= 0
	switch letter {
	case 'b':
		r.decodeKey()
	case 'N':
		r.vivify = true
		r.moment(clock, token, &r.vivifyExptime)
	case 'T':
		r.newTTL = r.moment(clock, token, &r.exptime)
	case 'R':
		r.moment(clock, token, &r.recacheExptime)
	case 'v':
		r.value = true
	case 'u':
		r.noUpdate = true
	case 'q':
		r.quiet = true
	case 'I':
		r.stale = true
	case 'F', 'C', 'J', 'D':
		r.number(letter, token)
	case 'M':
		r.setMode(token)
	case 'l', 'O', 'P', 'L', 'k', 's', 't', 'c', 'f', 'h':
	default:
		return false
	}
	return true
}

func (r *metaRequest) decodeKey() {
	r.keyMark = markBinaryKey
	r.key = decodeKey(r.key)
	if r.key == nil {
		r.reject("CLIENT_ERROR error decoding key")
	}
}

func (r *metaRequest) moment(clock *clock, token []byte, dst *uint32) bool {
	exptime, ok := parseInt32(token)
	if !ok {
		r.reject(badToken)
		return false
	}
	*dst = clock.moment(exptime)
	return true
}

// badNumbers are the errors of the flags with a number. F has none of its own.
var badNumbers = map[byte]string{
	'C': badToken,
	'J': "CLIENT_ERROR invalid numeric initial value",
	'D': "CLIENT_ERROR invalid numeric delta value",
}

func (r *metaRequest) number(letter byte, token []byte) {
	n, ok := parseUint64(token)
	if !ok {
		r.failed = true
		r.why = cmp.Or(badNumbers[letter], r.why)
		return
	}
	switch letter {
	case 'F':
		r.clientFlags = uint32(n)
	case 'C':
		r.cas, r.hasCAS = n, true
	case 'J':
		r.initial = n
	case 'D':
		r.delta = n
	}
}

func (r *metaRequest) setMode(token []byte) {
	if len(token) != 1 {
		r.reject("CLIENT_ERROR incorrect length for M token")
		return
	}
	r.mode = token[0]
}
