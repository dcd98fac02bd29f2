package protocol

// decodeMeta reads "CD [size] flag*". Stray spaces are tolerated: servers before 1.6.18 send some.
func (r *Reply) decodeMeta(line []byte, c Command) error {
	if len(line) < 2 || len(line) > 2 && line[2] != ' ' {
		return errorLine(line)
	}
	code, rest := string(line[:2]), line[2:]
	switch code {
	case "HD":
		r.Status = OK
	case "VA":
		return r.decodeMetaValue(rest, line, c)
	case "EN", "NF":
		r.Status = Miss
	case "NS":
		r.Status = NotStored
	case "EX":
		r.Status = Exists
	case "MN":
		r.Status = OK
	case "ME":
		return r.decodeDebug(rest, line, c)
	default:
		return errorLine(line)
	}
	if !metaAnswers(c, code) {
		return syntaxError("reply code does not fit the command", line)
	}
	return r.decodeMetaFlags(rest, line)
}

// metaAnswers says which codes without a data block can answer which command (doc/protocol.txt, meta commands).
func metaAnswers(c Command, code string) bool {
	switch {
	case c == Noop:
		return code == "MN"
	case c == Debug:
		return code == "EN"
	case c == Get || c == GetAndTouch || c == Touch:
		return code == "HD" || code == "EN"
	case c.IsStore() || c.IsArithmetic():
		return code == "HD" || code == "NS" || code == "EX" || code == "NF"
	case c == Delete:
		return code == "HD" || code == "EX" || code == "NF"
	}
	return false
}

func (r *Reply) decodeMetaValue(rest, line []byte, c Command) error {
	if c != Get && c != GetAndTouch && c != Touch && !c.IsArithmetic() {
		return syntaxError("unexpected data block", line)
	}
	word, rest := nextWord(rest)
	size, ok := parseBlockSize(word)
	if !ok {
		return syntaxError("bad data block size", line)
	}
	r.Status, r.Block = OK, size
	r.Meta |= ReturnValue
	return r.decodeMetaFlags(rest, line)
}

// decodeDebug keeps the figures of "ME key name=value …" as text: their set grows with versions.
func (r *Reply) decodeDebug(rest, line []byte, c Command) error {
	if c != Debug {
		return syntaxError("reply code does not fit the command", line)
	}
	key, rest := nextWord(rest)
	if len(key) == 0 {
		return syntaxError("no key", line)
	}
	r.Status, r.Key, r.Text = OK, key, string(trimSpaces(rest))
	return nil
}

func (r *Reply) decodeMetaFlags(rest, line []byte) error {
	for {
		var word []byte
		if word, rest = nextWord(rest); len(word) == 0 {
			return nil
		}
		if !r.decodeMetaFlag(word[0], word[1:]) {
			return syntaxError("bad flag token", line)
		}
	}
}

// decodeMetaFlag takes one flag. A letter it does not know is left alone, so that newer servers may send more.
func (r *Reply) decodeMetaFlag(letter byte, token []byte) (ok bool) {
	switch letter {
	case 'W':
		r.Meta |= Won
	case 'X':
		r.Meta |= Stale
	case 'Z':
		r.Meta |= Busy
	case 'b':
		r.Meta |= BinaryKey
	case 'k':
		r.Meta, r.Key = r.Meta|ReturnKey, token
	case 'O':
		return r.decodeOpaque(token)
	default:
		return r.decodeNumberFlag(letter, token)
	}
	return true
}

func (r *Reply) decodeOpaque(token []byte) bool {
	n, ok := parseHex32(token)
	r.Opaque, r.Meta = n, r.Meta|WithOpaque
	return ok
}

func (r *Reply) decodeNumberFlag(letter byte, token []byte) bool {
	switch letter {
	case 'f':
		n, ok := parseUint(token)
		r.Flags, r.Meta = uint32(n), r.Meta|ReturnFlags
		return ok
	case 'c':
		n, ok := parseUint(token)
		r.CAS, r.Meta = n, r.Meta|ReturnCAS
		return ok
	case 't':
		n, ok := parseInt(token)
		r.TTL, r.Meta = n, r.Meta|ReturnTTL
		return ok
	case 's':
		n, ok := parseInt(token)
		r.Size, r.Meta = n, r.Meta|ReturnSize
		return ok
	case 'l':
		n, ok := parseInt(token)
		r.LastAccess, r.Meta = n, r.Meta|ReturnLastAccess
		return ok
	case 'h':
		r.Hit, r.Meta = len(token) == 1 && token[0] == '1', r.Meta|ReturnHit
		return len(token) == 1 && (token[0] == '0' || token[0] == '1')
	}
	return true
}
