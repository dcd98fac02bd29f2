package route

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// stressed is a client with nodes of its own, as a process has them, that records what it does.
type stressed struct {
	id    history.Client
	nodes []*pool.Node
	tree  Route
	rand  *rand.Rand
	ops   []history.Op
}

func newStressed(t *testing.T, id int, servers []*realnode.Node) *stressed {
	s := &stressed{id: history.Client(id), rand: rand.New(rand.NewPCG(uint64(id), 1))}
	var routes []Route
	for i, server := range servers {
		node := pool.NewNode(pool.Config{Name: fmt.Sprint(i), Addr: server.Addr, Timeout: 200 * time.Millisecond})
		s.nodes, routes = append(s.nodes, node), append(routes, node)
	}
	b := NewBackground(10)
	tree, err := Coherent(readingAt(id%len(servers), routes), NewLateClears(b))
	require.NoError(t, err)
	s.tree = tree
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.Close()
		}
		b.Close()
	})
	return s
}

// step does and records one operation of a random kind.
func (s *stressed) step(key string) {
	kind := s.rand.IntN(10)
	record := history.Op{Client: s.id, Key: key, Command: history.Get}
	op := get(key)
	if kind < 3 {
		record.Command = []history.Command{history.Set, history.Delete, history.Add}[kind]
		record.Value = history.NewValue(s.id, uint64(len(s.ops)+1))
		op = store([]protocol.Command{protocol.Set, protocol.Delete, protocol.Add}[kind], key, "")
		if op.Request.Value = nil; kind != 1 {
			op.Request.Value = history.Seal(record.Value, history.MinSize)
		}
	}
	record.Call = history.Now()
	do(s.tree, op)
	record.Return = history.Now()
	record.Outcome = outcomeOf(op)
	var partial *WriteError
	if errors.As(op.Err, &partial) {
		for _, n := range s.nodes {
			if o := partial.Outcome(n.Name()); o != 0 { // what was not sent may be deleted late, as what is ambiguous
				record.Nodes = append(record.Nodes, history.NodeOutcome{Node: n.Name(), Outcome: history.Ambiguous})
			}
		}
	}
	if op.Node != nil {
		record.Node = op.Node.Name()
	}
	if record.Command == history.Get && record.Outcome == history.OK {
		record.Value = history.Unseal(op.Value)
	}
	s.ops = append(s.ops, record)
}

func outcomeOf(op *Op) history.Outcome {
	switch {
	case errors.Is(op.Err, ErrPartialWrite):
		return history.Partial
	case op.Err != nil:
		return history.Ambiguous
	case op.Reply.Status == protocol.OK:
		return history.OK
	case op.Reply.Status == protocol.Miss:
		return history.Miss
	}
	return history.Refused
}

// evict deletes a random key at a random node, as memcached does when it is full.
func (s *stressed) evict(list []string) {
	do(s.nodes[s.rand.IntN(len(s.nodes))], asks(protocol.Delete, list[s.rand.IntN(len(list))]))
}

// stress has clients work on a few keys until disturb returns, and returns what they have recorded, and what the nodes hold
// in the end.
func stress(t *testing.T, servers []*realnode.Node, disturb func()) *history.History {
	const clients = 6
	list := keys(4)
	stop := make(chan struct{})
	var all []*stressed
	var working sync.WaitGroup
	for id := 1; id <= clients; id++ {
		s := newStressed(t, id, servers)
		all = append(all, s)
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s.step(list[s.rand.IntN(len(list))])
				if s.rand.IntN(20) == 0 {
					s.evict(list)
				}
			}
		})
	}
	disturb()
	close(stop)
	working.Wait()
	h := &history.History{}
	for _, s := range all {
		h.Ops = append(h.Ops, s.ops...)
	}
	for i, n := range all[0].nodes {
		for _, key := range list {
			op := get(key)
			op.Inspect = true
			do(n, op)
			if op.Err == nil && op.Reply.Status == protocol.OK {
				h.Dumps = append(h.Dumps, history.Dump{Node: fmt.Sprint(i), Key: key, Value: history.Unseal(op.Value), At: history.Now()})
			}
		}
	}
	return h
}

func checkHistory(t *testing.T, h *history.History, b history.Bounds) {
	t.Helper()
	violations, err := history.Check(h, b)
	require.NoError(t, err)
	for i := range min(len(violations), 3) {
		t.Error(violations[i].String())
	}
	outcomes := map[string]int{}
	local := 0
	for i := range h.Ops {
		outcomes[fmt.Sprint(h.Ops[i].Command, " ", h.Ops[i].Outcome)]++
		if h.Ops[i].Command == history.Get && h.Ops[i].Outcome == history.OK && h.Ops[i].Node != "0" {
			local++
		}
	}
	t.Log(len(violations), "violations,", local, "hits at replicas;", outcomes)
	require.NotZero(t, local, "or nothing was tried")
}

// Several processes write and read the same keys, which are evicted now and then: nobody reads what is older than an
// acknowledged write, and in the end the replicas agree.
func TestCoherentStress(t *testing.T) {
	servers, _, _ := memcacheds(t, 3)
	h := stress(t, servers, func() { <-time.After(2 * time.Second) })
	checkHistory(t, h, history.Bounds{})
}

// The same with nodes that hang. What a node has missed is repaired within a second of its return.
func TestCoherentStressWithPauses(t *testing.T) {
	servers, _, _ := memcacheds(t, 3)
	var heals []history.Event
	h := stress(t, servers, func() {
		for i := range 4 {
			node := servers[i%len(servers)]
			node.Pause()
			<-time.After(300 * time.Millisecond)
			start := history.Now()
			node.Resume()
			<-time.After(700 * time.Millisecond) // all clients reach it again
			heals = append(heals, history.Event{Kind: history.Heal, Node: fmt.Sprint(i % len(servers)), Start: start, End: history.Now()})
		}
	})
	h.Events = heals
	checkHistory(t, h, history.Bounds{Repair: time.Second, Converge: 2 * time.Second})
}
