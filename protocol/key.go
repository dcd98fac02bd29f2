package protocol

import "errors"

// Bounds of a key. memcached checks the length of what travels, so base64 leaves fewer raw bytes
// (doc/protocol.txt, "Keys" and the meta flag b).
const (
	MaxKeySize       = 250 // bytes
	MaxBinaryKeySize = 186 // bytes, before base64
)

// The rules a key can break. Each matches ErrMalformedKey.
var (
	ErrMalformedKey       = errors.New("memcache: malformed key")
	ErrKeyEmpty     error = keyError("memcache: malformed key: empty")
	ErrKeyTooLong   error = keyError("memcache: malformed key: longer than 250 bytes (186 if binary)")
	ErrKeyBytes     error = keyError("memcache: malformed key: contains a space, a control byte or DEL")
)

// keyError names the rule and never the key, which may be personal data.
type keyError string

func (e keyError) Error() string        { return string(e) }
func (e keyError) Is(target error) bool { return target == ErrMalformedKey }

// CheckKey returns nil if key can travel as it is: 1 to 250 bytes, none of them a space, a control byte or DEL. Bytes
// from 0x80 on, such as UTF-8, may travel. The server lets some of the others through, but CR LF in a key is another
// command.
func CheckKey(key string) error {
	if len(key) == 0 {
		return ErrKeyEmpty
	}
	if len(key) > MaxKeySize {
		return ErrKeyTooLong
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] == 0x7f {
			return ErrKeyBytes
		}
	}
	return nil
}

// CheckBinaryKey returns nil if key can travel as base64: 1 to 186 bytes, of any kind.
func CheckBinaryKey(key string) error {
	if len(key) == 0 {
		return ErrKeyEmpty
	}
	if len(key) > MaxBinaryKeySize {
		return ErrKeyTooLong
	}
	return nil
}
