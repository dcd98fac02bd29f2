package protocol

import (
	"bytes"
	"errors"
	"math"
	"strings"
)

// ErrInvalidRequest means that memcached would read the request as something else, or would not do what it asks for.
// The errors that match it name the rule that the request breaks.
var ErrInvalidRequest = errors.New("memcache: invalid request")

var (
	errCommand    = requestError("no such command")
	errStatsGroup = requestError("a stats group is at most 250 printable bytes in words with single spaces")
	errStatsLines = requestError("this stats group is not answered in STAT lines")
	errAuth       = requestError("authentication needs user, space, password, without control bytes, at most 1024 bytes")
	errNeedsFlag  = requestError("a meta flag is without effect, for want of the one it goes with")
	errZeroCAS    = requestError("this command would ignore a CAS of 0")
	errRecache    = requestError("a recache TTL is 0 to 30 days")
)

// requestError names the rule and never what the request holds.
type requestError string

func (e requestError) Error() string        { return ErrInvalidRequest.Error() + ": " + string(e) }
func (e requestError) Is(target error) bool { return target == ErrInvalidRequest }

// maxAuthSize bounds "user password"; memcached 1.6.45 takes 16 KiB, before that the line buffer was the limit.
const maxAuthSize = 1024

// Check returns nil if the request can be encoded without being read as anything else: a key that keeps the rules, a
// command that exists, numbers in range. Every request must pass it before a byte is written. Its errors match
// ErrMalformedKey, ErrInvalidTTL or ErrInvalidRequest. The size of a value is for the caller to limit.
func Check(r *Request) error {
	if r.Command == 0 || r.Command >= commandCount {
		return errCommand
	}
	if err := checkText(r); err != nil {
		return err
	}
	if !isExptime(r.Exptime) {
		return ErrInvalidTTL
	}
	if r.Meta&checkedFlags == 0 {
		return nil
	}
	return checkFlags(r)
}

// checkText checks what the caller can spell: keys, a stats group, a password.
func checkText(r *Request) error {
	switch {
	case r.Command.IsKeyed() && r.Has(BinaryKey):
		return CheckBinaryKey(r.Key)
	case r.Command.IsKeyed():
		return CheckKey(r.Key)
	case r.Command == Stats:
		return checkStatsGroup(r.Key)
	case r.Command == Auth:
		return checkAuth(r.Value)
	}
	return nil
}

// isExptime reports whether the server reads n as it is: the numbers are 32 bits with sign, and a negative one, which
// would expire at once, is never what a caller wants.
func isExptime(n int64) bool { return n >= 0 && n <= math.MaxInt32 }

// checkStatsGroup allows words such as "items", but for the groups whose reply would look like no reply to "stats".
func checkStatsGroup(group string) error {
	if group == "" {
		return nil
	}
	if len(group) > MaxKeySize {
		return errStatsGroup // far below the 2048 bytes at which the server closes
	}
	for word := range strings.SplitSeq(group, " ") {
		if CheckKey(word) != nil {
			return errStatsGroup
		}
	}
	switch word, _, _ := strings.Cut(group, " "); word {
	case "detail", "cachedump", "sizes_enable", "sizes_disable": // the last two have no END
		return errStatsLines
	}
	return nil
}

// checkAuth wants what memcached reads as two words.
func checkAuth(v []byte) error {
	user, password, found := bytes.Cut(v, []byte(" "))
	if !found || len(user) == 0 || len(password) == 0 || len(v) > maxAuthSize {
		return errAuth
	}
	for _, b := range v {
		if b < ' ' || b == 0x7f {
			return errAuth
		}
	}
	return nil
}

// checkedFlags are the flags that checkFlags has a rule for.
const checkedFlags = Compare | ExplicitCAS | Vivify | Recache | WithInitial | Invalidate

// checkFlags refuses tokens out of range, and flags that the server would take and ignore.
func checkFlags(r *Request) error {
	switch {
	case r.Has(Vivify) && !isExptime(r.VivifyTTL):
		return ErrInvalidTTL
	case r.Has(Recache) && (r.RecacheTTL < 0 || r.RecacheTTL > relativeLimitSeconds):
		return errRecache
	case r.Has(Compare) && r.CAS == 0 && ignoresZeroCAS.has(r.Command):
		return errZeroCAS
	case r.Has(WithInitial) && !r.Has(Vivify),
		r.Has(Invalidate) && r.Command.IsStore() && !r.Has(Compare),
		r.Has(ExplicitCAS) && metaReads.has(r.Command) && !r.Has(Vivify),
		r.Has(ExplicitCAS) && r.Command == Delete && r.Meta&(Invalidate|RemoveValue) == 0:
		return errNeedsFlag
	}
	return nil
}

// ignoresZeroCAS are the commands that go on without comparing if the CAS is 0 (memcached.c: do_store_item,
// do_add_delta).
var ignoresZeroCAS = commands(Append, Prepend) | arithmetic
