package memcachetest

// Limits of memcached 1.6.18's meta commands (proto_text.c).
const (
	maxMetaWords = 19 // command, key and flags
	maxOpaqueLen = 32 // with the letter O
)

const (
	badToken      = "CLIENT_ERROR bad token in command line format"
	opaqueTooLong = "CLIENT_ERROR opaque token too long"
)

// metaFlags are the flags of a meta command that matter before its reply is
// built. The reply walks over the words again, in their order.
type metaFlags struct {
	binaryKey bool
	noUpdate  bool
	value     bool
	vivify    bool
	stale     bool
	quiet     bool
	hasCAS    bool
	newTTL    bool
	mode      byte // 0 if absent

	exptime        uint32 // T
	vivifyExptime  uint32 // N
	recacheExptime uint32 // R
	clientFlags    uint32
	cas            uint64
	delta          uint64
	initial        uint64

	failed bool
	why    string // the error line; the last error wins
}

// parseMetaFlags reads the flag words. key is decoded if one of them is b. The
// error is "" or the line memcached answers.
func (c *conn) parseMetaFlags(key []byte, flags [][]byte) (f metaFlags, decoded []byte, why string) {
	f = metaFlags{delta: 1, why: badFormat}
	var seen [127]bool
	for _, word := range flags {
		letter := word[0]
		if letter >= 127 || seen[letter] {
			return f, key, "CLIENT_ERROR duplicate flag"
		}
		seen[letter] = true
		if letter == 'b' {
			key = f.decode(key)
			continue
		}
		if !f.parse(c.process.clock, letter, word[1:]) {
			return f, key, "CLIENT_ERROR invalid flag"
		}
	}
	if f.failed {
		return f, key, f.why
	}
	return f, key, ""
}

func (f *metaFlags) decode(key []byte) []byte {
	f.binaryKey = true
	decoded := decodeKey(key)
	if decoded == nil {
		f.reject("CLIENT_ERROR error decoding key")
	}
	return decoded
}

func (f *metaFlags) reject(why string) {
	f.failed = true
	f.why = why
}

// parse notes one flag. It returns false for a letter that memcached does not know.
func (f *metaFlags) parse(clock *clock, letter byte, token []byte) bool {
	switch letter {
	case 'N':
		f.vivify = true
		f.moment(clock, token, &f.vivifyExptime)
	case 'T':
		f.newTTL = f.moment(clock, token, &f.exptime)
	case 'R':
		f.moment(clock, token, &f.recacheExptime)
	case 'v':
		f.value = true
	case 'u':
		f.noUpdate = true
	case 'q':
		f.quiet = true
	case 'I':
		f.stale = true
	case 'F', 'C', 'J', 'D':
		f.number(letter, token)
	case 'M':
		f.setMode(token)
	case 'l', 'O', 'P', 'L', 'k', 's', 't', 'c', 'f', 'h':
	default:
		return false
	}
	return true
}

func (f *metaFlags) moment(clock *clock, token []byte, dst *uint32) bool {
	exptime, ok := parseInt32(token)
	if !ok {
		f.reject(badToken)
		return false
	}
	*dst = clock.moment(exptime)
	return true
}

func (f *metaFlags) number(letter byte, token []byte) {
	n, ok := parseUint64(token)
	switch letter {
	case 'F': // no error line of its own
		f.clientFlags = uint32(n)
		f.failed = f.failed || !ok
	case 'C':
		f.cas, f.hasCAS = n, ok
		f.rejectUnless(ok, badToken)
	case 'J':
		f.initial = n
		f.rejectUnless(ok, "CLIENT_ERROR invalid numeric initial value")
	case 'D':
		f.delta = n
		f.rejectUnless(ok, "CLIENT_ERROR invalid numeric delta value")
	}
}

func (f *metaFlags) rejectUnless(ok bool, why string) {
	if !ok {
		f.reject(why)
	}
}

func (f *metaFlags) setMode(token []byte) {
	if len(token) != 1 {
		f.reject("CLIENT_ERROR incorrect length for M token")
		return
	}
	f.mode = token[0]
}
