package protocol

import "math"

// metaCode is the two letters that a meta reply starts with, as a number.
type metaCode uint16

const (
	codeHD metaCode = 'H'<<8 | 'D'
	codeVA metaCode = 'V'<<8 | 'A'
	codeEN metaCode = 'E'<<8 | 'N'
	codeNF metaCode = 'N'<<8 | 'F'
	codeNS metaCode = 'N'<<8 | 'S'
	codeEX metaCode = 'E'<<8 | 'X'
	codeMN metaCode = 'M'<<8 | 'N'
	codeME metaCode = 'M'<<8 | 'E'
)

// What each code can answer (doc/protocol.txt, "Meta Get" to "Meta Debug").
var (
	toHD = metaReads | stores | arithmetic | commands(Delete)
	toVA = metaReads | arithmetic
	toEN = metaReads | commands(Debug)
	toNF = stores | arithmetic | commands(Delete)
	toNS = stores | arithmetic
	toEX = stores | arithmetic | commands(Delete)
	toMN = commands(Noop)
	toME = commands(Debug)
)

// answer returns what the code means; a code that is none can answer nothing.
func (m metaCode) answer() answer {
	switch m {
	case codeHD:
		return answer{OK, toHD}
	case codeVA:
		return answer{OK, toVA}
	case codeEN:
		return answer{Miss, toEN}
	case codeNF:
		return answer{Miss, toNF}
	case codeNS:
		return answer{NotStored, toNS}
	case codeEX:
		return answer{Exists, toEX}
	case codeMN:
		return answer{OK, toMN}
	case codeME:
		return answer{OK, toME}
	}
	return answer{}
}

// decodeMeta reads "CD [size] flag*". Stray spaces are tolerated: servers before 1.6.18 send some.
func (r *Reply) decodeMeta(line []byte, c Command) error {
	if len(line) < 2 || len(line) > 2 && line[2] != ' ' {
		return errorLine(line, c)
	}
	code := metaCode(line[0])<<8 | metaCode(line[1])
	a := code.answer()
	if a.to == 0 {
		return errorLine(line, c)
	}
	if !a.to.has(c) {
		return syntaxError("reply does not fit the command", line)
	}
	r.Status = a.status
	switch code {
	case codeVA:
		return r.decodeMetaValue(line, c)
	case codeME:
		return r.decodeDebug(line)
	}
	if !r.decodeMetaFlags(line[2:]) {
		return syntaxError("bad flag", line)
	}
	return nil
}

// maxNumberSize is the longest number that ma returns, in digits.
const maxNumberSize = 20

// decodeMetaValue reads "VA size flag*".
func (r *Reply) decodeMetaValue(line []byte, c Command) error {
	limit := uint64(maxBlockSize)
	if c.IsArithmetic() {
		limit = maxNumberSize
	}
	size, rest, ok := cutWordUint(line[min(len("VA "), len(line)):])
	if !ok || size > limit {
		return syntaxError("bad data block size", line)
	}
	r.Block, r.Meta = int(size), ReturnValue
	if !r.decodeMetaFlags(rest) {
		return syntaxError("bad flag", line)
	}
	return nil
}

// decodeDebug keeps the figures of "ME key name=value …" as text: their set grows with versions. The line does not say
// whether the key is base64.
func (r *Reply) decodeDebug(line []byte) error {
	words := trimSpaces(line[2:])
	end := wordEnd(words)
	if end == 0 {
		return syntaxError("no key", line)
	}
	r.Key, r.Text = words[:end], string(trimSpaces(words[end:]))
	return nil
}

func (r *Reply) decodeMetaFlags(b []byte) (ok bool) {
	for len(b) > 0 {
		if b[0] == ' ' {
			b = b[1:]
			continue
		}
		end := wordEnd(b)
		if !r.decodeMetaFlag(b[0], b[1:end]) {
			return false
		}
		b = b[end:]
	}
	return true
}

// decodeMetaFlag takes one flag. A letter it does not know is left alone, so that newer servers may send more; what
// comes twice or is no letter is nothing that a server sends.
func (r *Reply) decodeMetaFlag(letter byte, token []byte) (ok bool) {
	var flag MetaFlags
	switch letter {
	case 'f':
		flag = ReturnFlags
		r.Flags, ok = parseFlags(token)
	case 'c':
		flag = ReturnCAS
		r.CAS, ok = parseUint(token)
	case 'O':
		flag = WithOpaque
		r.Opaque, ok = parseHex32(token)
	case 'k':
		flag = ReturnKey
		r.Key, ok = token, len(token) > 0
	case 't':
		flag = ReturnTTL
		r.TTL, ok = parseInt(token)
	case 's':
		flag = ReturnSize
		r.Size, ok = parseInt(token)
	case 'l':
		flag = ReturnLastAccess
		r.LastAccess, ok = parseInt(token)
	case 'h':
		flag = ReturnHit
		r.Hit, ok = string(token) == "1", string(token) == "0" || string(token) == "1"
	default:
		return r.decodeBareFlag(letter, token)
	}
	return ok && r.mark(flag)
}

func (r *Reply) decodeBareFlag(letter byte, token []byte) (ok bool) {
	var flag MetaFlags
	switch letter {
	case 'W':
		flag = Won
	case 'X':
		flag = Stale
	case 'Z':
		flag = Busy
	case 'b':
		flag = BinaryKey
	default:
		return letter >= 'a' && letter <= 'z' || letter >= 'A' && letter <= 'Z'
	}
	return len(token) == 0 && r.mark(flag)
}

// mark notes that flag came. It reports false if it has come before.
func (r *Reply) mark(flag MetaFlags) bool {
	first := r.Meta&flag == 0
	r.Meta |= flag
	return first
}

func parseFlags(b []byte) (uint32, bool) {
	n, ok := parseUint(b)
	return uint32(n), ok && n <= math.MaxUint32
}
