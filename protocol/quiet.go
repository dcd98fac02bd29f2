package protocol

// Several plain stores can be answered together: the quiet flag hides the reply to each that is done, and the answer to a
// noop behind them says that all were (doc/protocol.txt, "Meta Set", q, and "Meta No-Op"). The server then writes once for
// all, where it writes every twenty replies else (its option -R).

const (
	quiet = " q"

	// MaxQuietStores bounds the stores that are answered together, so that the first need not wait long for the others.
	MaxQuietStores = 64

	// maxQuietValue keeps those out that a server's item limit may refuse, and those that take longer to copy than to answer.
	maxQuietValue = 8 << 10
)

// CanBeQuiet reports whether r, whose form is FormMeta, may be sent as FormQuiet: its reply would say only that it is done.
func (r *Request) CanBeQuiet() bool {
	return r.Command == Set && r.Meta&^BinaryKey == 0 && len(r.Value) <= maxQuietValue
}

// Quieten makes a quiet store of the one that dst ends with, which was appended as FormMeta and has a value of that size.
func Quieten(dst []byte, size int) []byte {
	at := len(dst) - len(crlf) - size - len(crlf)
	dst = append(dst, quiet...)
	copy(dst[at+len(quiet):], dst[at:]) // slices.Insert would allocate what it inserts
	copy(dst[at:], quiet)
	return dst
}

// AppendQuietEnd ends stores that are answered together.
func AppendQuietEnd(dst []byte) []byte { return appendMeta(dst, &Request{Command: Noop}, 0) }

// decodeQuiet reads "MN", or the error line of a store that was refused.
func (r *Reply) decodeQuiet(line []byte, c Command) error {
	if string(line) != "MN" {
		return errorLine(line, c)
	}
	r.Status = OK
	return nil
}
