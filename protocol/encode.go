package protocol

import (
	"encoding/base64"
	"strconv"
)

// AppendRequest appends the request in the given form, as Plan chose it, and returns the longer slice. The opaque is sent
// where the form can carry it and the request has WithOpaque. The request must have passed Check.
func AppendRequest(dst []byte, r *Request, f Form, opaque uint32) []byte {
	switch f {
	case FormMeta:
		return appendMeta(dst, r, opaque)
	case FormLine:
		return AppendLineEnd(AppendLineKey(AppendLineStart(dst, r), r.Key))
	default:
		return appendText(dst, r)
	}
}

func appendMeta(dst []byte, r *Request, opaque uint32) []byte {
	dst = append(dst, metaNames[r.Command]...)
	if r.Command == Noop {
		return append(dst, crlf...)
	}
	dst = append(dst, ' ')
	dst = appendMetaKey(dst, r)
	if r.Command.IsStore() {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(len(r.Value)), 10)
	}
	dst = appendModes(dst, r)
	dst = appendMetaFlags(dst, r, opaque)
	dst = append(dst, crlf...)
	if r.Command.IsStore() {
		dst = append(dst, r.Value...)
		dst = append(dst, crlf...)
	}
	return dst
}

const crlf = "\r\n"

var metaNames = [...]string{
	Get: "mg", GetAndTouch: "mg", Touch: "mg", Set: "ms", Add: "ms", Replace: "ms", Append: "ms", Prepend: "ms",
	Delete: "md", Increment: "ma", Decrement: "ma", Noop: "mn", Debug: "me",
}

func appendMetaKey(dst []byte, r *Request) []byte {
	if !r.Has(BinaryKey) {
		return append(dst, r.Key...)
	}
	dst = base64.StdEncoding.AppendEncode(dst, []byte(r.Key))
	return append(dst, " b"...)
}

// appendModes appends what the command itself implies: the mode of a store, the delta of arithmetic.
func appendModes(dst []byte, r *Request) []byte {
	switch r.Command {
	case Add:
		dst = append(dst, " ME"...)
	case Replace:
		dst = append(dst, " MR"...)
	case Append:
		dst = append(dst, " MA"...)
	case Prepend:
		dst = append(dst, " MP"...)
	case Decrement:
		dst = append(dst, " MD"...)
	}
	if r.Command.IsArithmetic() && r.Delta != 1 {
		dst = appendToken(dst, 'D', r.Delta)
	}
	if r.Command.IsStore() && r.Flags != 0 {
		dst = appendToken(dst, 'F', uint64(r.Flags))
	}
	if r.sendsExptime() {
		dst = appendSigned(dst, 'T', r.Exptime)
	}
	return dst
}

// sendsExptime reports whether the request carries an exptime: always for touches, for stores unless it is "never"
// (which is what a store without T means).
func (r *Request) sendsExptime() bool {
	if r.Command == Touch || r.Command == GetAndTouch || r.Has(UpdateTTL) {
		return true
	}
	return r.Command.IsStore() && r.Exptime != 0
}

// bareFlags are the flags that are a letter alone, in the order in which they are sent.
var bareFlags = [...]struct {
	flag   MetaFlags
	letter byte
}{
	{ReturnValue, 'v'}, {ReturnFlags, 'f'}, {ReturnCAS, 'c'}, {ReturnTTL, 't'}, {ReturnSize, 's'}, {ReturnKey, 'k'},
	{ReturnHit, 'h'}, {ReturnLastAccess, 'l'}, {NoBump, 'u'}, {Quiet, 'q'}, {Invalidate, 'I'}, {RemoveValue, 'x'},
}

const (
	bareMask  = ReturnValue | ReturnFlags | ReturnCAS | ReturnTTL | ReturnSize | ReturnKey | ReturnHit | ReturnLastAccess | NoBump | Quiet | Invalidate | RemoveValue
	tokenMask = Compare | ExplicitCAS | Vivify | Recache | WithInitial
)

func appendMetaFlags(dst []byte, r *Request, opaque uint32) []byte {
	if r.Meta&bareMask != 0 {
		for _, b := range bareFlags {
			if r.Has(b.flag) {
				dst = append(dst, ' ', b.letter)
			}
		}
	}
	if r.Meta&tokenMask != 0 {
		dst = appendTokenFlags(dst, r)
	}
	if r.Has(WithOpaque) {
		dst = append(dst, " O"...)
		dst = strconv.AppendUint(dst, uint64(opaque), 16)
	}
	return dst
}

func appendTokenFlags(dst []byte, r *Request) []byte {
	if r.Has(Compare) {
		dst = appendToken(dst, 'C', r.CAS)
	}
	if r.Has(ExplicitCAS) {
		dst = appendToken(dst, 'E', r.NewCAS)
	}
	if r.Has(Vivify) {
		dst = appendSigned(dst, 'N', r.VivifyTTL)
	}
	if r.Has(Recache) {
		dst = appendSigned(dst, 'R', r.RecacheTTL)
	}
	if r.Has(WithInitial) {
		dst = appendToken(dst, 'J', r.Initial)
	}
	return dst
}

func appendToken(dst []byte, letter byte, n uint64) []byte {
	return strconv.AppendUint(append(dst, ' ', letter), n, 10)
}

func appendSigned(dst []byte, letter byte, n int64) []byte {
	return strconv.AppendInt(append(dst, ' ', letter), n, 10)
}
