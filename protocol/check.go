package protocol

import "errors"

// ErrInvalidRequest means that a request holds what memcached would read as something else.
var ErrInvalidRequest = errors.New("memcache: invalid request")

// Check returns nil if the request can be encoded without being read as anything else: a key that keeps the rules, a
// command that exists, numbers in range. Every request must pass it before a byte is written.
func Check(r *Request) error {
	if r.Command == 0 || int(r.Command) >= len(commandNames) {
		return ErrInvalidRequest
	}
	if err := checkRequestKey(r); err != nil {
		return err
	}
	if r.Exptime < -1 || r.VivifyTTL < 0 || r.RecacheTTL < 0 || r.Command == FlushAll && r.Exptime < 0 {
		return ErrInvalidTTL
	}
	return nil
}

func checkRequestKey(r *Request) error {
	switch {
	case r.Command.IsKeyed() && r.Has(BinaryKey):
		return CheckBinaryKey(r.Key)
	case r.Command.IsKeyed():
		return CheckKey(r.Key)
	case r.Command == Stats && r.Key != "":
		return checkWords(r.Key)
	}
	return nil
}

// checkWords allows the words of a stats group: printable, single spaces between.
func checkWords(s string) error {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return ErrInvalidRequest
		}
	}
	return nil
}
