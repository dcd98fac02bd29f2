package hotcopy

import (
	"sync/atomic"

	"github.com/nohop/memcache/pool"
)

// entry is what the process knows of one key that a rule copies. All that changes it goes through the shelf, which has
// the lock; readers only look at its atomics.
type entry struct {
	key  string
	hash uint64
	born int64 // Copies.now

	held   atomic.Pointer[held] // what was read last; nil: nothing
	writes atomic.Int64         // counts each own write twice, when it begins and when it has ended
	aside  atomic.Int64         // Copies.now until which reads go to the tree; 0: they do not
	used   atomic.Bool          // since the shelf's hand last came by

	refreshing atomic.Bool
	order      atomic.Pointer[order]

	running int  // own writes under way; under the shelf's lock
	gone    bool // taken off the shelf: nothing is kept in it any more; under the shelf's lock
}

// use notes that e is used. The cache line is written to only if it says otherwise.
func (e *entry) use() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// held is a version of a key, and its value if that is kept. It is immutable.
type held struct {
	version version
	home    *pool.Node // who has answered
	asked   int64      // Copies.now before the request for it was sent: it was current then, or later; 0: not known
	size    int        // of the value
	kept    bool
	value   []byte
	flags   uint32
}

// without returns h as it is where the value is not kept.
func (h *held) without() *held {
	return &held{version: h.version, home: h.home, asked: h.asked, size: h.size}
}

// at returns h as what was current at another time.
func (h *held) at(asked int64) *held {
	again := *h
	again.asked = asked
	return &again
}

// charge is what h takes of the shelf's room beside its entry; h may be nil.
func (h *held) charge() int {
	if h == nil {
		return 0
	}
	return len(h.value)
}

// charge is what e takes of the shelf's room.
func (e *entry) charge() int { return entryBytes + len(e.key) + e.held.Load().charge() }

// entryBytes is about what an entry takes beside key and value.
const entryBytes = 200
