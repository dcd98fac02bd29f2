package protocol

import "strconv"

// MaxLineKeys bounds the keys that share one "gets" line. memcached takes longer ones, but it answers a line as a whole,
// and closes at any other line without LF in its first 2048 bytes.
const MaxLineKeys = 100

// AppendLineStart opens a line of keys to read: "gets", or "gats" with its exptime, which takes one key.
func AppendLineStart(dst []byte, r *Request) []byte {
	if r.Command == GetAndTouch {
		return strconv.AppendInt(append(dst, "gats "...), r.Exptime, 10)
	}
	return append(dst, "gets"...)
}

// AppendLineKey adds a key to an open line.
func AppendLineKey(dst []byte, key string) []byte {
	return append(append(dst, ' '), key...)
}

// AppendLineEnd closes an open line.
func AppendLineEnd(dst []byte) []byte { return append(dst, crlf...) }

var textNames = [...]string{
	Touch: "touch ", Set: "set ", Add: "add ", Replace: "replace ", Append: "append ", Prepend: "prepend ",
	Delete: "delete ", Increment: "incr ", Decrement: "decr ",
}

func appendText(dst []byte, r *Request) []byte {
	switch {
	case r.Command.IsStore():
		return appendTextStore(dst, r)
	case r.Command.IsKeyed():
		return appendTextKeyed(dst, r)
	}
	switch r.Command {
	case Noop, Version:
		dst = append(dst, "version"...)
	case FlushAll:
		dst = append(dst, "flush_all"...)
		if r.Exptime != 0 {
			dst = strconv.AppendInt(append(dst, ' '), r.Exptime, 10)
		}
	case Stats:
		dst = append(dst, "stats"...)
		if r.Key != "" {
			dst = append(append(dst, ' '), r.Key...)
		}
	case Auth:
		// A set whose key and numbers are ignored: doc/protocol.txt, "Authentication".
		dst = append(dst, "set auth 0 0 "...)
		dst = strconv.AppendInt(dst, int64(len(r.Value)), 10)
		dst = append(append(dst, crlf...), r.Value...)
	}
	return append(dst, crlf...)
}

func appendTextStore(dst []byte, r *Request) []byte {
	name := textNames[r.Command]
	if r.Has(Compare) {
		name = "cas "
	}
	dst = append(append(dst, name...), r.Key...)
	dst = strconv.AppendUint(append(dst, ' '), uint64(r.Flags), 10)
	dst = strconv.AppendInt(append(dst, ' '), r.Exptime, 10)
	dst = strconv.AppendInt(append(dst, ' '), int64(len(r.Value)), 10)
	if r.Has(Compare) {
		dst = strconv.AppendUint(append(dst, ' '), r.CAS, 10)
	}
	dst = append(append(dst, crlf...), r.Value...)
	return append(dst, crlf...)
}

func appendTextKeyed(dst []byte, r *Request) []byte {
	dst = append(append(dst, textNames[r.Command]...), r.Key...)
	switch {
	case r.Command == Touch:
		dst = strconv.AppendInt(append(dst, ' '), r.Exptime, 10)
	case r.Command.IsArithmetic():
		dst = strconv.AppendUint(append(dst, ' '), r.Delta, 10)
	}
	return append(dst, crlf...)
}
