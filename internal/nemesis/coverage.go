package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/nohop/memcache/internal/history"
)

// coverage counts what makes a run worth something: a client that only ever misses breaks no promise.
type coverage struct {
	hits        int
	loaded      int // hits of values that a GetOrLoad has made
	reborn      int // hits at nodes that had joined, or lost all, in this round
	inChange    int // hits while processes had different views
	afterMissed int // hits of keys that some replica had missed a write of
	moved       int // hits at nodes to which pins have moved their key
	overlapping int // writes that overlap with another client's of the same key
}

func (c *coverage) print(out io.Writer) {
	for _, line := range []struct {
		count int
		what  string
	}{
		{c.hits, "hits"},
		{c.loaded, "hits of values that were loaded on a miss"},
		{c.reborn, "hits at nodes that had joined, restarted or been flushed"},
		{c.inChange, "hits while processes had different views"},
		{c.afterMissed, "hits of keys of which a replica had missed a write"},
		{c.moved, "hits at nodes to which pins had moved their keys"},
		{c.overlapping, "writes that overlapped with another client's of the same key"},
	} {
		fmt.Fprintf(out, "%8d  %s\n", line.count, line.what)
	}
}

func (c *coverage) add(h *history.History) {
	loads, missed := map[history.Value]bool{}, map[string]history.Time{}
	byKey := map[string][]*history.Op{}
	pins := pinnedTo(h)
	for i := range h.Ops {
		op := &h.Ops[i]
		switch {
		case op.Command == history.Load:
			loads[op.Value] = true
		case op.Command != history.Get:
			byKey[op.Key] = append(byKey[op.Key], op)
		}
		if op.Outcome == history.Partial && (missed[op.Key] == 0 || op.Return < missed[op.Key]) {
			missed[op.Key] = op.Return
		}
	}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Command == history.Get && op.Outcome == history.OK {
			c.addHit(op, h.Events)
			c.loaded += count(loads[op.Value])
			c.moved += count(pins.moved(op))
			c.afterMissed += count(missed[op.Key] != 0 && missed[op.Key] < op.Call)
		}
	}
	for _, writes := range byKey {
		c.addWrites(writes)
	}
}

func (c *coverage) addHit(op *history.Op, events []history.Event) {
	c.hits++
	var reborn, inChange bool
	for i := range events {
		switch e := &events[i]; e.Kind {
		case history.Join, history.Leave:
			inChange = inChange || op.Call > e.Start && op.Return < e.End
			reborn = reborn || e.Kind == history.Join && e.Node == op.Node && e.End < op.Call
		case history.Flush:
			reborn = reborn || e.Node == op.Node && e.End < op.Call
		}
	}
	c.reborn += count(reborn)
	c.inChange += count(inChange)
}

// addWrites counts those of one key that overlap with another client's.
func (c *coverage) addWrites(writes []*history.Op) {
	slices.SortFunc(writes, func(a, b *history.Op) int { return cmp.Compare(a.Call, b.Call) })
	for i, w := range writes {
		for _, next := range writes[i+1:] {
			if next.Call > w.Return {
				break
			}
			if next.Client != w.Client {
				c.overlapping++
				break
			}
		}
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
