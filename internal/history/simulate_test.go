package history

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// store is a coherent replicated cache, simulated: every operation takes effect at one moment between call and return, on
// all replicas but those it misses, and a replica that missed a write is not read by its writer and cleared when it is
// healed. Nodes are flushed, leave with their data and come back empty.
type store struct {
	rnd     *rand.Rand
	nodes   []string
	present map[string]bool
	held    map[string]map[string]Value // by node and key
	missed  map[Client]map[string]bool  // node/key that the client must not read
	writes  map[Client]uint64
	newest  map[Client]map[string]Value // the client's last write of a key
	clock   Time
	history History
	effects []effect
}

// effect is what happens at one moment.
type effect struct {
	at Time
	do func()
}

const (
	simClients = 4
	simOps     = 400
	simKeys    = 3
	simRepair  = 20
	simEnd     = 12000 // after the last operation
)

func simulate(seed uint64) *History {
	s := &store{
		rnd: rand.New(rand.NewPCG(seed, 1)), nodes: []string{"x", "y", "z"}, present: map[string]bool{},
		held: map[string]map[string]Value{}, missed: map[Client]map[string]bool{}, writes: map[Client]uint64{}, newest: map[Client]map[string]Value{},
	}
	for _, n := range s.nodes {
		s.present[n], s.held[n] = true, map[string]Value{}
	}
	s.planHeals()
	for c := range Client(simClients) {
		s.missed[c], s.newest[c] = map[string]bool{}, map[string]Value{}
		s.planClient(c)
	}
	for at := Time(500); at < simEnd/2; at += Time(200 + s.rnd.IntN(400)) {
		s.planEvent(at)
	}
	slices.SortStableFunc(s.effects, func(a, b effect) int { return cmp.Compare(a.at, b.at) })
	for len(s.effects) > 0 { // an effect may plan others
		next := s.effects[0]
		s.effects = s.effects[1:]
		s.clock = next.at
		next.do()
	}
	s.dump()
	return &s.history
}

func (s *store) at(t Time, do func()) { s.effects = append(s.effects, effect{t, do}) }

// planClient has a client work one operation after the other.
func (s *store) planClient(c Client) {
	now := Time(s.rnd.IntN(20))
	for range simOps {
		call := now
		effectAt := call + Time(1+s.rnd.IntN(10))
		ret := effectAt + Time(1+s.rnd.IntN(10))
		now = ret + Time(s.rnd.IntN(5))
		op := Op{Client: c, Key: fmt.Sprint("k", s.rnd.IntN(simKeys)), Call: call, Return: ret, Outcome: OK}
		s.at(effectAt, func() { s.take(op) })
	}
}

// take has op take effect now.
func (s *store) take(op Op) {
	switch dice := s.rnd.IntN(20); {
	case dice < 10:
		op.Command = Get
		s.read(&op)
	case dice < 17:
		op.Command = Set
		s.write(&op)
	default:
		op.Command = Delete
		s.write(&op)
	}
	s.history.Ops = append(s.history.Ops, op)
}

func (s *store) read(op *Op) {
	n := s.nodes[s.rnd.IntN(len(s.nodes))]
	if !s.present[n] || s.missed[op.Client][n+op.Key] {
		op.Outcome = NotSent
		return
	}
	op.Node, op.Value = n, s.held[n][op.Key]
	if op.Value == 0 {
		op.Outcome = Miss
	}
}

func (s *store) write(op *Op) {
	s.writes[op.Client]++
	op.Value = NewValue(op.Client, s.writes[op.Client])
	s.newest[op.Client][op.Key] = op.Value
	switch s.rnd.IntN(12) {
	case 0:
		op.Outcome = NotSent
	case 1:
		s.writeLate(op)
	case 2:
		s.writePartly(op)
	default:
		s.store(op, "")
	}
}

// store has op take effect on all replicas but one.
func (s *store) store(op *Op, but string) {
	for _, n := range s.nodes {
		if n == but || !s.present[n] {
			continue
		}
		if op.Command == Delete {
			delete(s.held[n], op.Key)
		} else {
			s.held[n][op.Key] = op.Value
		}
		delete(s.missed[op.Client], n+op.Key)
	}
}

// writeLate times out: it takes effect never, or some time before its node counts as repaired and before its client's next
// write of the key.
func (s *store) writeLate(op *Op) {
	op.Outcome, op.Nodes = Ambiguous, []NodeOutcome{{"x", Ambiguous}}
	end := s.healed("x", op.Return)
	if late := *op; s.rnd.IntN(2) == 0 {
		s.later(op.Call+Time(s.rnd.IntN(int(end-op.Call))), func() {
			if s.newest[late.Client][late.Key] == late.Value {
				s.store(&late, "")
			}
		})
	}
}

// writePartly misses one replica, which the writer repairs when it is healed, by a delete.
func (s *store) writePartly(op *Op) {
	node := s.nodes[s.rnd.IntN(len(s.nodes))]
	if !s.present[node] {
		s.store(op, "")
		return
	}
	op.Outcome, op.Nodes = Partial, []NodeOutcome{{node, NotSent}}
	s.store(op, node)
	s.missed[op.Client][node+op.Key] = true
	key := op.Key
	s.later(s.healed(node, op.Return)-1, func() {
		delete(s.held[node], key)
		delete(s.missed[op.Client], node+key)
	})
}

// planHeals has every node healed again and again.
func (s *store) planHeals() {
	for _, n := range s.nodes {
		for at := Time(10); at < simEnd; at += Time(10 + s.rnd.IntN(40)) {
			s.history.Events = append(s.history.Events, heal(n, at, at+5))
		}
	}
}

// healed returns when the time for the repair of what node missed at t is over.
func (s *store) healed(node string, t Time) Time {
	for _, e := range s.history.Events {
		if e.Kind == Heal && e.Node == node && e.Start >= t {
			return e.End + simRepair
		}
	}
	panic("the last heal is too early")
}

// later adds an effect while effects are being played.
func (s *store) later(t Time, do func()) {
	t = max(t, s.clock)
	i := slices.IndexFunc(s.effects, func(e effect) bool { return e.at > t })
	if i < 0 {
		i = len(s.effects)
	}
	s.effects = slices.Insert(s.effects, i, effect{t, do})
}

func (s *store) planEvent(at Time) {
	switch s.rnd.IntN(3) {
	case 0:
		s.at(at, func() { s.flush("") })
	case 1:
		s.at(at, func() { s.flush(s.nodes[s.rnd.IntN(len(s.nodes))]) })
	case 2:
		s.at(at, func() { s.toggle("z") })
	}
}

func (s *store) flush(node string) {
	for _, n := range s.nodes {
		if node == "" || node == n {
			clear(s.held[n])
		}
	}
	s.event(Flush, node)
}

// toggle has a node leave with its data, or come back without.
func (s *store) toggle(node string) {
	kind := Leave
	if !s.present[node] {
		kind = Join
		clear(s.held[node])
	}
	s.present[node] = !s.present[node]
	s.event(kind, node)
}

func (s *store) event(kind EventKind, node string) {
	s.history.Events = append(s.history.Events, Event{Kind: kind, Node: node, Start: s.clock - 1, End: s.clock + 1})
}

func (s *store) dump() {
	for n, keys := range s.held {
		for i := range simKeys {
			if key := fmt.Sprint("k", i); s.present[n] {
				s.history.Dumps = append(s.history.Dumps, Dump{n, key, keys[key], s.clock + 1000})
			}
		}
	}
}

var simBounds = Bounds{Repair: simRepair}

func TestACoherentStoreViolatesNothing(t *testing.T) {
	for seed := range uint64(60) {
		violations, err := Check(simulate(seed), simBounds)
		require.NoError(t, err)
		for _, v := range violations {
			t.Fatalf("seed %d: %v", seed, v.String())
		}
	}
}

// mutations break one promise each, in a history that keeps them all. They return false if it offers no place for that.
var mutations = map[string]struct {
	want  string
	apply func(h *History, rnd *rand.Rand) bool
}{
	"a read of a value that nobody wrote": {"I1", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool { r.Value = NewValue(99, 1); return true })
	}},
	"a torn read": {"I1", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool { r.Value = Torn; return true })
	}},
	"a value of another key": {"I1", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			return replace(h, r, func(w *Op) bool { return w.Key != r.Key && w.Command == Set })
		})
	}},
	"a read of a value yet to be written": {"I1", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			return replace(h, r, func(w *Op) bool { return w.Key == r.Key && w.Command == Set && w.Call > r.Return })
		})
	}},
	"a stale read": {"I3", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			newer := latestAcked(h, r)
			return newer != nil && replace(h, r, func(w *Op) bool {
				return w.Key == r.Key && w.Command == Set && w.Outcome == OK && w.Return < newer.Call
			})
		})
	}},
	"a write that is not applied and says so too late": {"I8", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			return changeWrite(h, r.Value, func(w *Op) { w.Outcome, w.Nodes = NotSent, nil })
		})
	}},
	"a value from before a flush": {"I7", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			i := slices.IndexFunc(h.Events, func(e Event) bool { return e.Kind == Flush && e.Node == "" && e.End < r.Call })
			return i >= 0 && replace(h, r, func(w *Op) bool {
				return w.Key == r.Key && w.Command == Set && w.Outcome == OK && w.Return < h.Events[i].Start
			})
		})
	}},
	// I4 if some client's write is not acknowledged yet at one replica.
	"a replica that differs at the end": {"I4 I5", func(h *History, rnd *rand.Rand) bool {
		d := &h.Dumps[rnd.IntN(len(h.Dumps))]
		w := lastOf(h, d.Key)
		if w == nil || w.Outcome != OK || w.Command != Set || d.Value != w.Value {
			return false
		}
		for i := range h.Ops {
			if old := &h.Ops[i]; old.Key == d.Key && old.Command == Set && old.Outcome == OK && old.Return < w.Call {
				d.Value = old.Value
				return true
			}
		}
		return false
	}},
	"a repair that never came": {"I4", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			for i := range h.Ops {
				if w := &h.Ops[i]; w.Key == r.Key && w.Outcome == Partial && w.Nodes[0].Node == r.Node && w.Return+100 < r.Call {
					return replace(h, r, func(old *Op) bool {
						return old.Key == r.Key && old.Command == Set && old.Outcome == OK && old.Return < w.Call
					})
				}
			}
			return false
		})
	}},
	"an own write that was forgotten": {"I2", func(h *History, rnd *rand.Rand) bool {
		return changeRead(h, rnd, func(r *Op) bool {
			for i := range h.Ops {
				w := &h.Ops[i]
				if w.Key == r.Key && w.Client == r.Client && w.Outcome == Partial && w.Return < r.Call {
					return replace(h, r, func(old *Op) bool {
						return old.Key == r.Key && old.Command == Set && old.Outcome == OK && old.Return < w.Call
					})
				}
			}
			return false
		})
	}},
}

// changeRead changes one hit, the first that change accepts from a random place on.
func changeRead(h *History, rnd *rand.Rand, change func(r *Op) bool) bool {
	start := rnd.IntN(len(h.Ops))
	for i := range h.Ops {
		if r := &h.Ops[(start+i)%len(h.Ops)]; r.isHit() && change(r) {
			return true
		}
	}
	return false
}

// replace makes r read the first write that is accepted.
func replace(h *History, r *Op, accept func(w *Op) bool) bool {
	for i := range h.Ops {
		if w := &h.Ops[i]; !w.isRead() && accept(w) {
			r.Value = w.Value
			return true
		}
	}
	return false
}

func changeWrite(h *History, v Value, change func(w *Op)) bool {
	i := slices.IndexFunc(h.Ops, func(op Op) bool { return !op.isRead() && op.Value == v })
	change(&h.Ops[i])
	return true
}

func latestAcked(h *History, r *Op) (latest *Op) {
	for i := range h.Ops {
		if w := &h.Ops[i]; w.Key == r.Key && w.isFullyAcked() && w.Return < r.Call && (latest == nil || w.Call > latest.Call) {
			latest = w
		}
	}
	return latest
}

func lastOf(h *History, key string) (last *Op) {
	for i := range h.Ops {
		if w := &h.Ops[i]; w.Key == key && !w.isRead() && (last == nil || w.Call > last.Call) {
			last = w
		}
	}
	return last
}

func TestEveryMutationIsReported(t *testing.T) {
	for name, m := range mutations {
		t.Run(name, func(t *testing.T) {
			applied := 0
			for seed := range uint64(20) {
				h := simulate(seed)
				if !m.apply(h, rand.New(rand.NewPCG(seed, 2))) {
					continue
				}
				applied++
				reported := func(name string) bool { return strings.Contains(m.want, name) }
				require.True(t, slices.ContainsFunc(found(t, h, simBounds), reported), "seed %d", seed)
			}
			require.Greater(t, applied, 3, "the mutation found no place")
		})
	}
}
