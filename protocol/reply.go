package protocol

import (
	"encoding/base64"
	"strings"
)

// Status is what a reply says of the request, independent of the dialect.
type Status uint8

// The statuses. An error line is not a status: Decode returns it as a *ServerError.
const (
	NoReply   Status = iota // nothing decoded yet, or nothing that could be
	OK                      // done, hit, stored, deleted, touched (HD, VA, MN, STORED, DELETED, TOUCHED, OK, VALUE, a number)
	Miss                    // there is no such item (EN, NF, NOT_FOUND); in FormLine, END
	NotStored               // the condition of Add, Replace, Append or Prepend does not hold (NS, NOT_STORED)
	Exists                  // the CAS differs (EX, EXISTS)
	More                    // FormStats: Name and Text hold one entry, more lines follow
)

// Reply is one reply line as a value. Key is part of the line that was given to Decode, and valid as long as that is;
// everything else is the reply's own.
type Reply struct {
	Status     Status
	Meta       MetaFlags // the flags that came: Return… for those with a field below, Won, Stale, Busy, WithOpaque, BinaryKey
	Flags      uint32    // client flags; with ReturnFlags
	CAS        uint64    // with ReturnCAS; 0 if the item does not exist or the server runs without CAS
	Number     uint64    // the new number of Increment and Decrement, if the line carried it: with ReturnValue and no Block
	Opaque     uint32    // with WithOpaque
	TTL        int64     // seconds left, -1 for ever; with ReturnTTL
	Size       int64     // of the value, in bytes; with ReturnSize
	LastAccess int64     // seconds; with ReturnLastAccess
	Hit        bool      // read before; with ReturnHit
	Block      int       // size of the data block that follows the line with its own CR LF, or -1 for none
	Key        []byte    // as it was sent, see IsKey; with ReturnKey
	Name       string    // FormStats: the entry's name
	Text       string    // FormStats: the entry's value; Version: the version; Debug: the figures
}

// Has reports whether every flag of f came with the reply.
func (r *Reply) Has(f MetaFlags) bool { return r.Meta&f == f }

// IsKey reports whether the reply's key is key. A reply encodes a key the way the item was stored, which need not be
// the way the request sent it, so what is compared is what it stands for.
func (r *Reply) IsKey(key string) bool {
	if !r.Has(BinaryKey) {
		return string(r.Key) == key
	}
	if len(key) > MaxBinaryKeySize {
		return false
	}
	var encoded [MaxKeySize]byte
	return string(base64.StdEncoding.AppendEncode(encoded[:0], []byte(key))) == string(r.Key)
}

// Decode reads one reply line, without its CR LF, to a request with command c that was sent in form f. It returns a
// *ServerError for an error line and a *SyntaxError for anything that cannot answer that request; then the reply holds
// nothing. It allocates only for errors and for the strings Name and Text.
func (r *Reply) Decode(line []byte, c Command, f Form) error {
	*r = Reply{Block: -1}
	var err error
	switch f {
	case FormLine:
		err = r.decodeValueLine(line, c)
	case FormMeta:
		err = r.decodeMeta(line, c)
	case FormQuiet:
		err = r.decodeQuiet(line, c)
	case FormStats:
		err = r.decodeStat(line, c)
	default:
		err = r.decodeText(line, c)
	}
	if err != nil {
		*r = Reply{Block: -1}
	}
	return err
}

// answer is what a code or word means, and which commands it can answer.
type answer struct {
	status Status
	to     commandSet
}

// SyntaxError means that a reply cannot be the answer to the request it was matched with. The connection is of no
// further use.
type SyntaxError struct {
	What string // which rule the line broke
	Line string // the start of the line, at most 64 bytes as they came; not in Error, for it may hold a key
}

func (e *SyntaxError) Error() string { return "memcache: protocol error: " + e.What }

const maxSyntaxLine = 64 // bytes kept of a line

func syntaxError(what string, line []byte) error {
	return &SyntaxError{What: what, Line: strings.Clone(string(line[:min(len(line), maxSyntaxLine)]))}
}
