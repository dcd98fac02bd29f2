package protocol

import (
	"bytes"
	"math"
)

const valuePrefix = "VALUE "

// toLine are the commands that a line of keys is sent for.
var toLine = commands(Get, GetAndTouch)

// decodeValueLine reads a line of the reply to "gets": "VALUE key flags size [cas]" or "END".
func (r *Reply) decodeValueLine(line []byte, c Command) error {
	if !toLine.has(c) {
		return syntaxError("reply does not fit the command", line)
	}
	if len(line) < len(valuePrefix) || string(line[:len(valuePrefix)]) != valuePrefix {
		return r.decodeLineEnd(line, c)
	}
	rest := line[len(valuePrefix):]
	end := bytes.IndexByte(rest, ' ')
	if end <= 0 {
		return syntaxError("bad VALUE line", line)
	}
	r.Key = rest[:end]
	flags, rest, okFlags := cutWordUint(rest[end+1:])
	size, rest, okSize := cutWordUint(rest)
	if !okFlags || !okSize || flags > math.MaxUint32 || size > maxBlockSize {
		return syntaxError("bad VALUE line", line)
	}
	r.Status, r.Flags, r.Block = OK, uint32(flags), int(size)
	r.Meta = ReturnValue | ReturnFlags | ReturnKey
	if len(rest) == 0 {
		return nil
	}
	cas, ok := parseUint(rest)
	if !ok {
		return syntaxError("bad VALUE line", line)
	}
	r.CAS, r.Meta = cas, r.Meta|ReturnCAS
	return nil
}

func (r *Reply) decodeLineEnd(line []byte, c Command) error {
	if string(line) != "END" {
		return errorLine(line, c)
	}
	r.Status = Miss
	return nil
}

const statPrefix = "STAT "

// decodeStat reads a line of the reply to "stats": "STAT name value", or "END", or "RESET" to "stats reset".
func (r *Reply) decodeStat(line []byte, c Command) error {
	if c != Stats {
		return syntaxError("reply does not fit the command", line)
	}
	if string(line) == "END" || string(line) == "RESET" {
		r.Status = OK
		return nil
	}
	rest, found := bytes.CutPrefix(line, []byte(statPrefix))
	if !found {
		return errorLine(line, c)
	}
	end := wordEnd(rest)
	if end == 0 {
		return syntaxError("bad STAT line", line)
	}
	r.Status, r.Name, r.Text = More, string(rest[:end]), string(trimSpaces(rest[end:]))
	return nil
}

// What each word of classic text can answer (doc/protocol.txt, "Storage commands" to "Flush_all").
var (
	toStored    = stores | commands(Auth)
	toNotStored = stores
	toExists    = commands(Set)
	toNotFound  = commands(Set, Delete, Touch) | arithmetic
	toDeleted   = commands(Delete)
	toTouched   = commands(Touch)
	toOK        = commands(FlushAll)
)

func textAnswer(line []byte) (a answer, ok bool) {
	switch string(line) {
	case "STORED":
		return answer{OK, toStored}, true
	case "NOT_STORED":
		return answer{NotStored, toNotStored}, true
	case "EXISTS":
		return answer{Exists, toExists}, true
	case "NOT_FOUND":
		return answer{Miss, toNotFound}, true
	case "DELETED":
		return answer{OK, toDeleted}, true
	case "TOUCHED":
		return answer{OK, toTouched}, true
	case "OK":
		return answer{OK, toOK}, true
	}
	return answer{}, false
}

func (r *Reply) decodeText(line []byte, c Command) error {
	if a, ok := textAnswer(line); ok {
		if !a.to.has(c) {
			return syntaxError("reply does not fit the command", line)
		}
		r.Status = a.status
		return nil
	}
	switch {
	case c == Version || c == Noop:
		return r.decodeVersion(line, c)
	case c.IsArithmetic():
		return r.decodeNumber(line, c)
	}
	return errorLine(line, c)
}

func (r *Reply) decodeVersion(line []byte, c Command) error {
	text, found := bytes.CutPrefix(line, []byte("VERSION "))
	if !found {
		return errorLine(line, c)
	}
	r.Status, r.Text = OK, string(text)
	return nil
}

// decodeNumber reads the reply to incr and decr. Trailing spaces are trimmed: some servers pad a number that became
// shorter in place.
func (r *Reply) decodeNumber(line []byte, c Command) error {
	n, ok := ParseNumber(line)
	if !ok {
		return errorLine(line, c)
	}
	r.Status, r.Number, r.Meta = OK, n, ReturnValue
	return nil
}
