package route

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nohop/memcache/protocol"
)

// Migration says when keys move.
type Migration struct {
	Start    time.Time               // required
	Interval time.Duration           // whole seconds, from one to a hundred years; 0: an hour
	Hash     func(key string) uint32 // decides when a key moves; nil: a part of Op.Hash
}

// ErrMigration means that a migration has no start, or an interval out of range.
var ErrMigration = errors.New("memcache: start or interval of a migration")

const (
	defaultMigrationInterval = time.Hour
	maxMigrationInterval     = 100 * 365 * 24 * time.Hour
)

type migrate struct {
	m             Migration
	before, after Replicas // outside the window
	moves, moved  Replicas // inside: the key's present route first
}

// Migrate moves keys from one route to another, one by one: each at Start + Interval + its hash modulo Interval in seconds.
// Until then from serves it, afterwards to. Clients agree as far as their clocks and Hash do; mcrouter's hash is
// placement.SampleHash, of what stands before a hash stop.
//
// From Start to Start + 2 * Interval no write may leave an older value at the other route, where a client whose clock
// differs reads, or all will once the key has moved. So a delete or flush goes to both at once and is combined as
// combine.go says: unlike mcrouter's "worse of both", a key that only one of them had is deleted, not missed. Every
// other write, read-modify-writes among them, takes effect at the key's present route, whose reply is the answer, and then
// deletes the key at the other one (as AtHome does; mcrouter leaves the old value there). If only the other route
// fails, the error is a *WriteError. Reads ask the present route alone. Nothing is copied: to is filled by its misses, or
// is a WarmUp(to, from).
func Migrate(from, to Route, m Migration) (Route, error) {
	if err := checkChildren(from, to); err != nil {
		return nil, err
	}
	if m.Interval == 0 {
		m.Interval = defaultMigrationInterval
	}
	if m.Start.IsZero() || m.Interval < time.Second || m.Interval > maxMigrationInterval || m.Interval%time.Second != 0 {
		return nil, ErrMigration
	}
	return &migrate{
		m: m, before: Replicas{All: []Route{from}}, after: Replicas{All: []Route{to}},
		moves: Replicas{All: []Route{from, to}}, moved: Replicas{All: []Route{to, from}},
	}, nil
}

// keyTime returns when op's key moves.
func (m *migrate) keyTime(op *Op) time.Time {
	hash := uint32(op.Hash) // not the bits that slots go by, or the keys of one node would move together
	if m.m.Hash != nil {
		hash = m.m.Hash(op.Request.Key)
	}
	late := time.Duration(hash) % (m.m.Interval / time.Second)
	return m.m.Start.Add(m.m.Interval + late*time.Second)
}

// moment is the placement of keys at one time. A batch has one time: an op must not change routes in the middle.
type moment struct {
	*migrate
	now time.Time
}

func (m moment) Replicas(op *Op) Replicas {
	switch {
	case m.now.Before(m.m.Start):
		return m.before
	case m.now.After(m.m.Start.Add(2 * m.m.Interval)):
		return m.after
	case m.now.Before(m.keyTime(op)):
		return m.moves
	}
	return m.moved
}

func (m moment) present(op *Op) Route { return m.Replicas(op).All[0] }

func (m *migrate) Do(ctx context.Context, ops []*Op) {
	at := moment{m, time.Now()}
	if writes := filter(ops, isWrite); len(writes) > 0 {
		m.write(ctx, writes, at)
		ops = without(ops, isWrite)
	}
	if len(ops) > 0 {
		doEach(ctx, ops, at.present)
	}
}

func (m *migrate) write(ctx context.Context, ops []*Op, p Placement) {
	if all := filter(ops, isRemoval); len(all) > 0 {
		AllSync(p).Do(ctx, all)
	}
	if others := without(ops, isRemoval); len(others) > 0 {
		AtHome(p).Do(ctx, others)
	}
}

// isWrite reports whether op may change what an item is. To take a lease changes nothing that a reader sees.
func isWrite(op *Op) bool { return op.Request.Command.Mutates() || op.Request.Has(protocol.UpdateTTL) }

func isRemoval(op *Op) bool {
	return op.Request.Command == protocol.Delete || op.Request.Command == protocol.FlushAll
}

func (m *migrate) Explain(op *Op) Step {
	at := moment{m, time.Now()}
	s := Step{Route: "migrate", Next: explainAll(at.Replicas(op).All, op)}
	switch {
	case len(s.Next) == 1 && at.now.Before(m.m.Start):
		s.Why = "starts at " + m.m.Start.UTC().Format(time.RFC3339)
		return s
	case len(s.Next) == 1:
		s.Why = "is over"
		return s
	}
	s.Why = fmt.Sprintf("the key moves at %s; ", m.keyTime(op).UTC().Format(time.RFC3339))
	switch {
	case isRemoval(op):
		s.Why += operationName(OperationOf(op)) + " goes to both"
	case isWrite(op):
		s.Why += operationName(OperationOf(op)) + " takes effect at the first and clears the other"
	default:
		s.Why += "the present route alone is read"
		s.Next = s.Next[:1]
	}
	return s
}
