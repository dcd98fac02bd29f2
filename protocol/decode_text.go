package protocol

import "bytes"

// decodeValueLine reads a line of the reply to "gets": "VALUE key flags size [cas]" or "END".
func (r *Reply) decodeValueLine(line []byte) error {
	if string(line) == "END" {
		r.Status = Miss
		return nil
	}
	rest, found := bytes.CutPrefix(line, []byte("VALUE "))
	if !found {
		return errorLine(line)
	}
	key, rest := nextWord(rest)
	flags, rest := nextWord(rest)
	size, rest := nextWord(rest)
	f, okFlags := parseUint(flags)
	n, okSize := parseBlockSize(size)
	if len(key) == 0 || !okFlags || !okSize || f>>32 != 0 {
		return syntaxError("bad VALUE line", line)
	}
	r.Status, r.Key, r.Flags, r.Block = OK, key, uint32(f), n
	r.Meta = ReturnValue | ReturnFlags | ReturnKey
	return r.decodeValueCAS(rest, line)
}

func (r *Reply) decodeValueCAS(rest, line []byte) error {
	word, rest := nextWord(rest)
	if len(word) == 0 {
		return nil
	}
	cas, ok := parseUint(word)
	if !ok || len(trimSpaces(rest)) != 0 {
		return syntaxError("bad VALUE line", line)
	}
	r.CAS, r.Meta = cas, r.Meta|ReturnCAS
	return nil
}

func (r *Reply) decodeStat(line []byte) error {
	switch {
	case string(line) == "END", string(line) == "RESET":
		r.Status = OK
		return nil
	case !bytes.HasPrefix(line, []byte("STAT ")):
		return errorLine(line)
	}
	name, rest := nextWord(line[len("STAT "):])
	r.Status, r.Name, r.Text = More, string(name), string(trimSpaces(rest))
	return nil
}

// textStatus says what each word of classic text means, and which commands it can answer.
var textStatus = map[string]struct {
	status Status
	fits   func(Command) bool
}{
	"STORED":     {OK, func(c Command) bool { return c.IsStore() || c == Auth }},
	"NOT_STORED": {NotStored, Command.IsStore},
	"EXISTS":     {Exists, func(c Command) bool { return c == Set }},
	"NOT_FOUND":  {Miss, func(c Command) bool { return c == Set || c == Delete || c == Touch || c.IsArithmetic() }},
	"DELETED":    {OK, func(c Command) bool { return c == Delete }},
	"TOUCHED":    {OK, func(c Command) bool { return c == Touch }},
	"OK":         {OK, func(c Command) bool { return c == FlushAll }},
}

func (r *Reply) decodeText(line []byte, c Command) error {
	if s, ok := textStatus[string(line)]; ok {
		if !s.fits(c) {
			return syntaxError("reply does not fit the command", line)
		}
		r.Status = s.status
		return nil
	}
	switch {
	case c == Version || c == Noop:
		return r.decodeVersion(line)
	case c.IsArithmetic():
		return r.decodeNumber(line)
	}
	return errorLine(line)
}

func (r *Reply) decodeVersion(line []byte) error {
	text, found := bytes.CutPrefix(line, []byte("VERSION "))
	if !found {
		return errorLine(line)
	}
	r.Status, r.Text = OK, string(text)
	return nil
}

// decodeNumber reads the reply to incr and decr. Trailing spaces are trimmed: some servers pad a number that became
// shorter in place.
func (r *Reply) decodeNumber(line []byte) error {
	n, ok := parseUint(trimSpaces(line))
	if !ok {
		return errorLine(line)
	}
	r.Status, r.Number, r.Meta = OK, n, ReturnValue
	return nil
}
