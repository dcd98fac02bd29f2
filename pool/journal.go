package pool

import (
	"sync"
	"sync/atomic"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/protocol"
)

// journal holds the keys of which the node may have missed a mutation, or may do one late. What it closes: a node that was
// cut off, paused or restarted comes back with what it had, and is read (anomalies of every client that writes to several
// nodes); and a write that timed out lands after a newer one.
//
// A mutation that its caller gave up is owed on a connection that lives: what is sent on the same connection comes after
// it, so the key can be used, and the late reply takes it out of the journal. If the connection breaks, or if others have
// done a mutation that was not sent to this node, the key is fenced: what would read it here fails at once, so that
// another node serves it, until the node has deleted it (repair.go). Deletes commute, so a repair is right in any order.
// Whole writes pass the fence.
type journal struct {
	limit  int
	active atomic.Bool // there is an entry: spares the others the lock

	mu        sync.Mutex
	entries   map[journalKey]*journalEntry
	overflow  bool   // more keys than limit: every key counts as missed until the node is flushed
	last      uint64 // the largest id of a connection that may have carried a mutation that is or was noted here
	version   uint64 // counts changes, so that a repair clears what it was sent for and nothing newer
	repairing bool   // the repairing goroutine runs
	repaired  uint64 // keys that were deleted, and flushes
}

type journalKey struct {
	key    string
	binary bool
}

type journalEntry struct {
	hash    uint64
	conn    uint64 // the last connection that may carry a mutation of the key; 0: none does
	owed    int    // mutations that were given up and that conn still owes a reply to
	missed  bool   // the key must be deleted at the node
	version uint64 // of the last change
}

func keyOf(r *protocol.Request) journalKey { return journalKey{r.Key, r.Has(protocol.BinaryKey)} }

// isJournaled reports whether a mutation that may have been missed matters: one of a key.
func isJournaled(c protocol.Command) bool { return mechanism.Journal && c.Mutates() && c.IsKeyed() }

// entry returns that of a key of which conn may carry a mutation, a new one if there is none, or nil if there is no room: then
// all keys count as missed.
func (j *journal) entry(key journalKey, hash, conn uint64) *journalEntry {
	j.last = max(j.last, conn)
	j.version++
	if j.overflow {
		return nil
	}
	e := j.entries[key]
	if e == nil {
		if len(j.entries) >= j.limit {
			j.overflow, j.entries = true, nil
			return nil
		}
		if j.entries == nil {
			j.entries = make(map[journalKey]*journalEntry)
		}
		e = &journalEntry{hash: hash}
		j.entries[key] = e
		j.active.Store(true)
	}
	e.version = j.version
	return e
}

// givenUp notes a mutation that conn still owes a reply to. It is noted before the call is abandoned, or the late reply
// could come first; if the reply comes after all, answered takes it back. True means that there is something to repair: it was
// one key too many.
func (j *journal) givenUp(op *Op, conn uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entry(keyOf(&op.Request), op.Hash, conn); e != nil {
		e.conn = conn
		e.owed++
	}
	return j.overflow
}

// answered notes that one of the mutations of key that were given up has been answered.
func (j *journal) answered(key journalKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entries[key]; e != nil && e.owed > 0 {
		e.owed--
		j.forget(key, e)
	}
}

// lost notes that the reply to a mutation that was given up will not come: its connection broke. There is no entry any more
// if a flush has ended an overflow meanwhile, which on another connection says nothing of that mutation.
func (j *journal) lost(key journalKey, hash, conn uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entry(key, hash, conn); e != nil {
		e.owed = max(e.owed-1, 0)
		e.conn = max(e.conn, conn)
		e.missed = true
	}
}

// missed notes a mutation that the node has not done or, if conn is not 0, may have done or do yet on that connection,
// which broke.
func (j *journal) missed(r *protocol.Request, hash, conn uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := j.entry(keyOf(r), hash, conn); e != nil {
		e.conn = max(e.conn, conn)
		e.missed = true
	}
}

// forget takes a key off if nothing is left to know of it.
func (j *journal) forget(key journalKey, e *journalEntry) {
	if e.owed > 0 || e.missed {
		return
	}
	delete(j.entries, key)
	j.active.Store(len(j.entries) > 0 || j.overflow)
}

// fences reports whether r must not be sent on a connection because what it finds there may be old.
func (j *journal) fences(r *protocol.Request, conn uint64) bool {
	if !mechanism.Journal || !r.Command.IsKeyed() || isWholeWrite(r) {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.overflow {
		return true
	}
	e := j.entries[keyOf(r)]
	return e != nil && (e.missed || e.conn != conn)
}

// isWholeWrite reports whether r leaves the same whatever was there.
func isWholeWrite(r *protocol.Request) bool {
	return r.Command == protocol.Delete || r.Command == protocol.Set && !r.Has(protocol.Compare)
}

// size returns how many keys are fenced or owed, and whether all are fenced.
func (j *journal) size() (keys int, all bool, repaired uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.entries), j.overflow, j.repaired
}
