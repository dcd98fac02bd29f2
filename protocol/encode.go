package protocol

import (
	"encoding/base64"
	"math/bits"
	"strconv"
)

// AppendRequest appends the request in the given form, as Plan chose it, and returns the longer slice. It allocates
// only if dst has no room. The opaque is sent, in hexadecimal, if the request has WithOpaque and the form can carry it:
// FormMeta, but for Noop and Debug. The request must have passed Check, and Plan for the node's dialect.
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

const crlf = "\r\n"

var metaNames = [commandCount]string{
	Get: "mg ", GetAndTouch: "mg ", Touch: "mg ", Set: "ms ", Add: "ms ", Replace: "ms ", Append: "ms ", Prepend: "ms ",
	Delete: "md ", Increment: "ma ", Decrement: "ma ", Noop: "mn", Debug: "me ",
}

func appendMeta(dst []byte, r *Request, opaque uint32) []byte {
	dst = append(dst, metaNames[r.Command]...)
	if r.Command == Noop {
		return append(dst, crlf...)
	}
	dst = appendMetaKey(dst, r)
	if !r.Command.IsStore() {
		return append(appendMetaFlags(dst, r, opaque), crlf...)
	}
	dst = strconv.AppendInt(append(dst, ' '), int64(len(r.Value)), 10)
	dst = append(appendMetaFlags(dst, r, opaque), crlf...)
	dst = append(dst, r.Value...)
	return append(dst, crlf...)
}

func appendMetaKey(dst []byte, r *Request) []byte {
	if !r.Has(BinaryKey) {
		return append(dst, r.Key...)
	}
	return base64.StdEncoding.AppendEncode(dst, []byte(r.Key))
}

// appendMetaFlags appends what changes the item before what describes it: the server obeys the flags in their order,
// so that t after T or N tells the new TTL.
func appendMetaFlags(dst []byte, r *Request, opaque uint32) []byte {
	if r.Has(BinaryKey) {
		dst = append(dst, " b"...) // "me" looks for it nowhere but here
	}
	dst = appendImplied(dst, r)
	if r.Meta&tokenMask != 0 {
		dst = appendTokenFlags(dst, r)
	}
	for rest := r.returns() & bareMask; rest != 0; rest &= rest - 1 {
		dst = append(dst, ' ', flagLetters[bits.TrailingZeros32(uint32(rest))])
	}
	if r.Has(WithOpaque) && r.Command != Debug {
		dst = strconv.AppendUint(append(dst, " O"...), uint64(opaque), 16)
	}
	return dst
}

// returns is Meta, and what a read asks for that asks for nothing: what a classic one returns.
func (r *Request) returns() MetaFlags {
	if r.Meta&returnFlags == 0 && (r.Command == Get || r.Command == GetAndTouch) {
		return r.Meta | lineFlags
	}
	return r.Meta
}

// modes are the M flags of ms and ma; set and increment are what they do without.
var modes = [commandCount]string{Add: " ME", Replace: " MR", Append: " MA", Prepend: " MP", Decrement: " MD"}

// flagLetters are the letters of the flags, by bit.
const flagLetters = "vfctskhluqbOCETNRJIx"

const (
	// bareMask are the flags that are a letter alone, but for b, which has its own place.
	bareMask = returnFlags | NoBump | Quiet | Invalidate | RemoveValue
	// tokenMask are the flags of appendTokenFlags.
	tokenMask = Compare | ExplicitCAS | Vivify | Recache | WithInitial
)

// appendImplied appends the flags that follow from the command and its fields.
func appendImplied(dst []byte, r *Request) []byte {
	dst = append(dst, modes[r.Command]...)
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
