package memcache

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/nohop/memcache/hotcopy"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Outcomes that callers branch on.
var (
	ErrCacheMiss   = errors.New("memcache: cache miss")                         // there is no such item
	ErrNotStored   = errors.New("memcache: item not stored")                    // the condition of Add, Replace, Append or Prepend does not hold
	ErrCASConflict = errors.New("memcache: compare-and-swap conflict")          // the item has changed since it was read
	ErrBusy        = errors.New("memcache: another process is loading it")      // GetOrLoad with WithErrBusy has waited in vain
	ErrNoCAS       = errors.New("memcache: item has no CAS: read it first")     // CompareAndSwap: not read, or the server has -C
	ErrNoServers   = errors.New("memcache: no servers configured or available") // none was given, or none found yet, and why
	ErrBadOption   = errors.New("memcache: bad option")                         // an option of New is wrong, or two contradict
)

// Causes of failed operations, found with errors.Is.
var (
	ErrMalformedKey = protocol.ErrMalformedKey // empty, over 250 bytes, with a space, control byte or DEL, or an ErrReservedKey
	ErrInvalidTTL   = protocol.ErrInvalidTTL   // negative, or past 2038
	ErrUnsupported  = protocol.ErrUnsupported  // the server's version cannot do it
	ErrTimeout      = pool.ErrTimeout          // a node did not answer in time
	ErrNodeDown     = pool.ErrNodeDown         // a node is known not to answer; nothing was sent
	ErrTooLarge     = pool.ErrTooLarge         // a value is over the limit of WithMaxValue
	ErrForeignCAS   = pool.ErrForeignCAS       // the CAS was read by another Client, or at another replica: use GetForUpdate
	ErrAuth         = pool.ErrAuth             // the server refused the user name and password
	ErrDenied       = hotcopy.ErrDenied        // a rule denies the key
	ErrReservedKey  = hotcopy.ErrReservedKey   // the key begins with "~", as the library's own do
	ErrClosed       = pool.ErrClosed           // the client was closed
	ErrPartialWrite = route.ErrPartialWrite    // a write reached some of its replicas
	ErrSomeRefused  = pool.ErrSomeRefused      // a node refused some of the stores that shared a write, perhaps this one
)

// OpError is why a node did not serve a request; its Outcome says whether the request may have been done all the same.
type OpError = pool.Error

// WriteError is a write that did not reach all replicas.
type WriteError = route.WriteError

// MultiError is what a batch could not do, by node. What could be got is returned beside it.
type MultiError struct {
	Keys  int              // keys that failed
	Nodes map[string]error // the first error of each node

	failed []failedKey
}

// failedKey is a key as the application has given it, and why it failed.
type failedKey struct {
	key string
	err error
}

// Failed yields the keys that failed, as they were given to GetMulti, GetSeq, SetMulti or DeleteMulti, each with its error.
// They may be secrets, so the text of the error has none of them.
func (e *MultiError) Failed() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, f := range e.failed {
			if !yield(f.key, f.err) {
				return
			}
		}
	}
}

func (e *MultiError) Error() string {
	texts := make([]string, 0, len(e.Nodes))
	for _, name := range slices.Sorted(maps.Keys(e.Nodes)) {
		texts = append(texts, e.Nodes[name].Error())
	}
	return fmt.Sprintf("memcache: %d keys failed: %s", e.Keys, strings.Join(texts, "; "))
}

// Unwrap returns the errors of the nodes.
func (e *MultiError) Unwrap() []error { return slices.Collect(maps.Values(e.Nodes)) }

// statusError translates a reply that is not an error line into the outcome that callers branch on.
func statusError(s protocol.Status) error {
	switch s {
	case protocol.OK:
		return nil
	case protocol.NotStored:
		return ErrNotStored
	case protocol.Exists:
		return ErrCASConflict
	default:
		return ErrCacheMiss
	}
}
