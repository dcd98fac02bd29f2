package hotcopy

import "sync/atomic"

// Stats is a snapshot of a Copies. Numbers count from its start.
type Stats struct {
	Entries int // keys known of
	Bytes   int // that they and their values take

	Checks    uint64 // times that a home was asked for a key's CAS
	Changed   uint64 // of which it was another than before
	Kept      uint64 // reads answered by a value kept in the process
	Copied    uint64 // reads answered by a copy on another node
	Saved     uint64 // bytes of values that homes did not send for it
	Fills     uint64 // copies made by readers
	Pushes    uint64 // copies made by writers
	Waits     uint64 // reads that waited for a copy which another process was making
	Fallbacks uint64 // reads for which a copy was sought, and that went home after all
	Stale     uint64 // checks that found a lease or a stale item, which reads then are sent home for
	Denied    uint64 // ops refused by a rule
}

type counters struct {
	checks, changed, kept, copied, saved, fills, pushes, waits, fallbacks, stale, denied atomic.Uint64
}

// Stats returns a snapshot.
func (c *Copies) Stats() Stats {
	n := &c.count
	s := Stats{
		Checks: n.checks.Load(), Changed: n.changed.Load(), Kept: n.kept.Load(), Copied: n.copied.Load(), Saved: n.saved.Load(),
		Fills: n.fills.Load(), Pushes: n.pushes.Load(), Waits: n.waits.Load(), Fallbacks: n.fallbacks.Load(),
		Stale: n.stale.Load(), Denied: n.denied.Load(),
	}
	s.Entries, s.Bytes = c.shelf.size()
	return s
}
