package protocol_test

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/nohop/memcache/protocol"
)

// recordedRequest is one recorded request, read back into the value that would send it.
type recordedRequest struct {
	protocol.Request
	form   protocol.Form
	opaque uint32
	keys   []string // FormLine: the keys of the line
	wire   []byte   // as it was sent
}

// readRequests reads everything that was sent as requests. It reports false if some of it is nothing that a Request
// can say: administration, broken framing, tokens out of order.
func readRequests(sent []byte) (list []recordedRequest, ok bool) {
	for len(sent) > 0 {
		line, rest, found := bytes.Cut(sent, []byte("\r\n"))
		if !found {
			return nil, false
		}
		q, size, ok := readRequest(string(line))
		if !ok {
			return nil, false
		}
		if size >= 0 {
			if len(rest) < size+2 || string(rest[size:size+2]) != "\r\n" {
				return nil, false
			}
			q.Value, rest = rest[:size], rest[size+2:]
		}
		q.wire = sent[:len(sent)-len(rest)]
		list = append(list, q)
		sent = rest
	}
	return list, true
}

// readRequest reads a line; size is that of the data block that must follow, or -1.
func readRequest(line string) (q recordedRequest, size int, ok bool) {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' })
	if len(words) == 0 || line[0] == ' ' {
		return q, -1, false
	}
	switch words[0] {
	case "mg", "ms", "md", "ma", "mn", "me":
		return readMeta(words)
	}
	return readText(words)
}

func readMeta(words []string) (q recordedRequest, size int, ok bool) {
	q.form, size = protocol.FormMeta, -1
	if words[0] == "mn" {
		q.Command = protocol.Noop
		return q, size, len(words) == 1
	}
	if len(words) < 2 {
		return q, size, false
	}
	q.Command = map[string]protocol.Command{
		"mg": protocol.Get, "ms": protocol.Set, "md": protocol.Delete, "ma": protocol.Increment, "me": protocol.Debug,
	}[words[0]]
	q.Key, q.Delta = words[1], 1
	flags := words[2:]
	if q.Command == protocol.Set {
		if len(words) < 3 || !isNumber(words[2], &size) {
			return q, size, false
		}
		flags = words[3:]
	}
	seen := ""
	for _, f := range flags {
		if strings.Contains(seen, f[:1]) || !q.readFlag(f[0], f[1:]) {
			return q, size, false
		}
		seen += f[:1]
	}
	if q.Has(protocol.BinaryKey) {
		raw, err := base64.StdEncoding.DecodeString(q.Key)
		q.Key = string(raw)
		return q, size, err == nil
	}
	return q, size, true
}

var bareFlags = map[byte]protocol.MetaFlags{
	'v': protocol.ReturnValue, 'f': protocol.ReturnFlags, 'c': protocol.ReturnCAS, 't': protocol.ReturnTTL,
	's': protocol.ReturnSize, 'k': protocol.ReturnKey, 'h': protocol.ReturnHit, 'l': protocol.ReturnLastAccess,
	'u': protocol.NoBump, 'q': protocol.Quiet, 'b': protocol.BinaryKey, 'I': protocol.Invalidate,
	'x': protocol.RemoveValue,
}

// readFlag refuses what the encoder never sends: unknown flags, tokens behind bare flags, a TTL after t.
func (q *recordedRequest) readFlag(letter byte, token string) bool {
	if f, ok := bareFlags[letter]; ok {
		q.Meta |= f
		return token == ""
	}
	if q.Has(protocol.ReturnTTL) && (letter == 'T' || letter == 'N') {
		return false
	}
	switch letter {
	case 'M':
		return q.readMode(token)
	case 'O':
		n, err := strconv.ParseUint(token, 16, 32)
		q.opaque = uint32(n)
		q.Meta |= protocol.WithOpaque
		return err == nil && strconv.FormatUint(n, 16) == token
	case 'F':
		n, err := strconv.ParseUint(token, 10, 32)
		q.Flags = uint32(n)
		return err == nil
	case 'D':
		return isNumber(token, &q.Delta)
	case 'T':
		q.Meta |= protocol.UpdateTTL
		return isNumber(token, &q.Exptime)
	case 'C':
		q.Meta |= protocol.Compare
		return isNumber(token, &q.CAS)
	case 'E':
		q.Meta |= protocol.ExplicitCAS
		return isNumber(token, &q.NewCAS)
	case 'N':
		q.Meta |= protocol.Vivify
		return isNumber(token, &q.VivifyTTL)
	case 'R':
		q.Meta |= protocol.Recache
		return isNumber(token, &q.RecacheTTL)
	case 'J':
		q.Meta |= protocol.WithInitial
		return isNumber(token, &q.Initial)
	}
	return false
}

func (q *recordedRequest) readMode(token string) bool {
	modes := map[string]protocol.Command{
		"E": protocol.Add, "R": protocol.Replace, "A": protocol.Append, "P": protocol.Prepend,
	}
	if q.Command == protocol.Increment {
		modes = map[string]protocol.Command{"D": protocol.Decrement}
	}
	command, ok := modes[token]
	q.Command = command
	return ok
}

var textCommands = map[string]protocol.Command{
	"get": protocol.Get, "gets": protocol.Get, "gat": protocol.GetAndTouch, "gats": protocol.GetAndTouch,
	"set": protocol.Set, "cas": protocol.Set, "add": protocol.Add, "replace": protocol.Replace,
	"append": protocol.Append, "prepend": protocol.Prepend, "delete": protocol.Delete, "touch": protocol.Touch,
	"incr": protocol.Increment, "decr": protocol.Decrement, "flush_all": protocol.FlushAll,
	"version": protocol.Version, "stats": protocol.Stats,
}

func readText(words []string) (q recordedRequest, size int, ok bool) {
	q.form, size = protocol.FormText, -1
	q.Command, ok = textCommands[words[0]]
	args := words[1:]
	switch {
	case !ok:
		return q, size, false
	case q.Command == protocol.Get:
		q.form, q.keys = protocol.FormLine, args
		return q, size, len(args) > 0
	case q.Command == protocol.GetAndTouch:
		q.form = protocol.FormLine
		ok = len(args) > 1 && isNumber(args[0], &q.Exptime)
		q.keys = args[min(1, len(args)):]
		return q, size, ok
	case q.Command.IsStore():
		return q.readStore(words[0], args)
	case q.Command == protocol.Delete:
		q.Key = strings.Join(args, " ")
		return q, size, len(args) == 1
	case q.Command == protocol.Touch:
		q.Key = args[0]
		return q, size, len(args) == 2 && isNumber(args[1], &q.Exptime)
	case q.Command.IsArithmetic():
		q.Key = args[0]
		return q, size, len(args) == 2 && isNumber(args[1], &q.Delta)
	case q.Command == protocol.FlushAll:
		return q, size, len(args) == 0 || len(args) == 1 && isNumber(args[0], &q.Exptime)
	case q.Command == protocol.Stats:
		q.form, q.Key = protocol.FormStats, strings.Join(args, " ")
		return q, size, true
	}
	return q, size, len(args) == 0
}

func (q recordedRequest) readStore(name string, args []string) (_ recordedRequest, size int, ok bool) {
	fields := 4
	if name == "cas" {
		fields, q.Meta = 5, protocol.Compare
	}
	if len(args) != fields {
		return q, -1, false
	}
	q.Key = args[0]
	var flags uint64
	ok = isNumber(args[1], &flags) && flags>>32 == 0 && isNumber(args[2], &q.Exptime) && isNumber(args[3], &size)
	q.Flags = uint32(flags)
	if name == "cas" {
		ok = ok && isNumber(args[4], &q.CAS)
	}
	return q, size, ok && size < 1<<31-3
}

// isNumber reads s, which may be negative where n can be, in its one canonical spelling.
func isNumber[N int | int64 | uint64](s string, n *N) bool {
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		*n = N(u)
		return strconv.FormatUint(u, 10) == s
	}
	i, err := strconv.ParseInt(s, 10, 64)
	*n = N(i)
	return err == nil && i < 0 && N(i) < 0
}
