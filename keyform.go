package memcache

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// keyForm is how the application's keys are spelled on the wire. The zero value sends them as they are.
type keyForm struct {
	namespace string
	unhashed  bool // placement does not see the namespace
	long      bool // keys that are too long are sent as a digest
	binary    bool // keys that cannot travel as they are are sent as base64
}

const (
	maxNamespace = 128 // leaves room for keys and digests
	digestSize   = 50
)

// WithNamespace puts prefix before every key on the wire, so that several applications can share nodes: 1 to 128 bytes, as
// in a key. Only the client knows of it: calls, Item.Key and WithRule have keys without it. Explain shows both forms, routes and
// reports of hot keys have what travels. The
// bounds of a key are those of prefix and key together. FlushAll still empties the nodes for everybody.
//
// Keys are placed by what travels, prefix and all, so a client without a namespace finds "prefix"+key at the same node; see
// WithUnhashedNamespace. It costs an allocation for each key.
func WithNamespace(prefix string) Option {
	return func(c *config) error {
		if len(prefix) > maxNamespace || protocol.CheckKey(prefix) != nil || pool.IsReserved(prefix) {
			return badOption("a namespace is 1 to 128 bytes, none of them a space, a control byte or DEL, the first not ~")
		}
		c.keys.namespace = prefix
		return nil
	}
}

// WithLongKeys lifts the bound on the length of keys: one that is too long, together with the namespace, is sent as
// "sha256:" and its SHA-256 in base64url, 50 bytes after the namespace. The other rules for keys stay.
//
// Nobody knows two keys with the same SHA-256, so what is read is not compared with the key. Whoever spells out the 50
// bytes as a key of his own does get the long key's item. All clients that share long keys need the option, and other
// languages can spell the same. It costs an allocation for each long key.
func WithLongKeys() Option {
	return func(c *config) error {
		c.keys.long = true
		return nil
	}
}

// WithBinaryKeys allows keys with any bytes, up to 186 of them: those that cannot travel as they are are sent as base64, to
// servers from 1.6.13 on. Other clients see them under their base64 flag only.
func WithBinaryKeys() Option {
	return func(c *config) error {
		c.keys.binary = true
		return nil
	}
}

// check checks a request of a batch. That of a single key has newRequest see to keys that are the library's own.
func check(r *protocol.Request) error {
	if err := protocol.Check(r); err != nil {
		return err
	}
	if pool.IsReserved(r.Key) {
		return ErrReservedKey
	}
	return nil
}

// plain reports whether keys are sent as they are.
func (f *keyForm) plain() bool { return f.namespace == "" && !f.long && !f.binary }

// apply spells op's key as it travels.
func (f *keyForm) apply(op *route.Op) {
	wire := f.wire(op.Request.Key)
	op.Request.Key, op.Request.Meta = wire, op.Request.Meta|f.encoding(wire)
}

// wire returns key as it travels, before base64. The empty key stays what it is, an error.
func (f *keyForm) wire(key string) string {
	switch {
	case key == "":
		return key
	case f.long && f.isTooLong(key) && f.mayTravel(key):
		return f.digest(key)
	}
	return f.namespace + key
}

// encoding returns how a key of the wire is encoded there.
func (f *keyForm) encoding(wire string) protocol.MetaFlags {
	if f.binary && protocol.CheckKey(wire) != nil {
		return protocol.BinaryKey
	}
	return 0
}

// isTooLong reports whether key is too long for the form in which it would travel.
func (f *keyForm) isTooLong(key string) bool {
	n := len(f.namespace) + len(key)
	return n > protocol.MaxKeySize || n > protocol.MaxBinaryKeySize && f.binary && !isPrintable(key)
}

// mayTravel reports whether key has only bytes that a key may have, whatever its length.
func (f *keyForm) mayTravel(key string) bool { return f.binary || isPrintable(key) }

// isPrintable reports whether key keeps the rule for bytes, whatever its length.
func isPrintable(key string) bool {
	for ; len(key) > protocol.MaxKeySize; key = key[protocol.MaxKeySize:] {
		if protocol.CheckKey(key[:protocol.MaxKeySize]) != nil {
			return false
		}
	}
	return protocol.CheckKey(key) == nil
}

// digest returns what a key that is too long travels as.
func (f *keyForm) digest(key string) string {
	sum := sha256.Sum256(append(make([]byte, 0, 1024), key...)) // most fit on the stack
	wire := append(make([]byte, 0, maxNamespace+digestSize), f.namespace...)
	return string(base64.RawURLEncoding.AppendEncode(append(wire, "sha256:"...), sum[:]))
}

// wireOf returns how key travels in r, "" if it does as it is.
func wireOf(r *protocol.Request, key string) string {
	switch {
	case r.Has(protocol.BinaryKey):
		return base64.StdEncoding.EncodeToString([]byte(r.Key))
	case r.Key == key:
		return ""
	}
	return r.Key
}
