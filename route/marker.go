package route

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nohop/memcache/protocol"
)

// ErrReservedFlags means that an item would be taken for one of a route's own, by its value and client flags. It is an
// ErrInvalidRequest.
var ErrReservedFlags = fmt.Errorf("%w: value and client flags are reserved by a route", protocol.ErrInvalidRequest)

// marker is an item that a route stores for itself: that value, with one bit among the client flags that says so. Both
// must be there, so the bit is free for all other values.
type marker struct {
	flag  uint32
	value string
}

// mcrouter's two (lib/mc/msg.h), so that both can share nodes.
var (
	absentMarker   = marker{0x10000, "ncache"} // MC_MSG_FLAG_NEGATIVE_CACHE: there is no such item
	sentinelMarker = marker{0x20, ""}          // MC_MSG_FLAG_SIZE_SPLIT: the value is in L2
)

// isIn reports whether op, a read, has found the marker. It must have asked for markerFlags.
func (m marker) isIn(op *Op) bool {
	return isHit(op) && op.Reply.Flags&m.flag != 0 && op.Reply.Block == len(m.value) && string(foundValue(op)) == m.value
}

// markerFlags are what a read returns so that a marker can be told from a value, and removed.
const markerFlags = readFlags

// isBlind reports whether op reads, but not what tells markers.
func isBlind(op *Op) bool { return returnsItem(op) && !op.Request.Has(markerFlags) }

func returnsItem(op *Op) bool {
	return op.Request.Command == protocol.Get || op.Request.Command == protocol.GetAndTouch
}

// doShowing has r serve ops so that reads tell markers.
func doShowing(ctx context.Context, ops []*Op, r Route) {
	if !slices.ContainsFunc(ops, isBlind) {
		doEach(ctx, ops, func(*Op) Route { return r })
		return
	}
	rewrite(ctx, ops, func(op *Op) (Route, error) {
		if isBlind(op) {
			op.Request.Meta |= markerFlags
		}
		return r, nil
	})
}

// imitated reports whether op would store what looks like the marker.
func (m marker) imitated(op *Op) bool {
	switch op.Request.Command {
	case protocol.Set, protocol.Add, protocol.Replace:
		return op.Request.Flags&m.flag != 0 && string(op.Request.Value) == m.value
	}
	return false
}

// refuseImitations settles the ops that would store what looks like the marker, and returns the others.
func (m marker) refuseImitations(ops []*Op) []*Op {
	for _, op := range filter(ops, m.imitated) {
		refuse(op, ErrReservedFlags)
	}
	return without(ops, m.imitated)
}

// add returns what adds the marker for op's key.
func (m marker) add(op *Op, ttl time.Duration) *Op {
	exptime, err := protocol.Exptime(ttl, time.Now())
	if err != nil {
		return nil // past 2038
	}
	return &Op{
		Request: protocol.Request{
			Command: protocol.Add, Key: op.Request.Key, Meta: op.Request.Meta & protocol.BinaryKey,
			Value: []byte(m.value), Flags: m.flag, Exptime: exptime,
		},
		Hash: op.Hash,
	}
}

// remove deletes the markers that reads have found at r, and nothing that was stored there since.
func (m marker) remove(ctx context.Context, r Route, reads []*Op) {
	var removals []*Op
	for _, read := range reads {
		if read.Reply.CAS == 0 {
			continue // the node counts none: the marker ends with its exptime
		}
		removal := &Op{Request: *clearOf(read), Hash: read.Hash, Token: read.Token}
		removal.Request.Meta |= protocol.Compare
		removal.Request.CAS = read.Reply.CAS
		removals = append(removals, removal)
	}
	if len(removals) > 0 {
		doEach(ctx, removals, func(*Op) Route { return r })
	}
}

// removeBefore removes the markers that stand at r in the way of ops, whose result depends on the item that is there.
func (m marker) removeBefore(ctx context.Context, r Route, ops []*Op) {
	reads := copies(ops)
	for _, read := range reads {
		read.Request = protocol.Request{Command: protocol.Get, Key: read.Request.Key, Meta: read.Request.Meta&protocol.BinaryKey | markerFlags}
	}
	doEach(ctx, reads, func(*Op) Route { return r })
	m.remove(ctx, r, filter(reads, m.isIn))
}
