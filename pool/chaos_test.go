package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// chaosOps returns how many operations the tests in this file make: NOHOP_CHAOS_OPS (2000000 for a thorough run), else few
// enough for every run of the tests.
func chaosOps(t *testing.T) int {
	if text := os.Getenv("NOHOP_CHAOS_OPS"); text != "" {
		ops, err := strconv.Atoi(text)
		require.NoError(t, err, "NOHOP_CHAOS_OPS")
		return ops
	}
	if testing.Short() {
		return 20_000
	}
	return 30_000
}

// chaosSeed returns a new seed, or NOHOP_CHAOS_SEED to repeat a run as far as that can be done.
func chaosSeed(t *testing.T) uint64 {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("NOHOP_CHAOS_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "NOHOP_CHAOS_SEED")
	}
	t.Log("NOHOP_CHAOS_SEED =", seed)
	return seed
}

// chaosProxy stands between a node and its clients and makes the network bad: bytes come one by one, late, or not at all.
type chaosProxy struct {
	listener net.Listener
	target   string
	seed     uint64
	conns    atomic.Uint64
	faults   [3]atomic.Int64 // chopped, stalled, reset
	running  sync.WaitGroup
}

func startChaosProxy(t *testing.T, target string, seed uint64) *chaosProxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &chaosProxy{listener: l, target: target, seed: seed}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.running.Wait()
	})
	return p
}

func (p *chaosProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		number := p.conns.Add(1)
		p.running.Go(func() { p.pump(client, server, rand.New(rand.NewPCG(p.seed, 2*number))) })
		p.running.Go(func() { p.pump(server, client, rand.New(rand.NewPCG(p.seed, 2*number+1))) })
	}
}

// pump carries bytes one way until the connection ends.
func (p *chaosProxy) pump(from, to net.Conn, rnd *rand.Rand) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || !p.carry(to, buf[:n], rnd) {
			return
		}
	}
}

// carry writes b, mostly well. False means that the connection shall end.
func (p *chaosProxy) carry(to net.Conn, b []byte, rnd *rand.Rand) bool {
	switch dice := rnd.IntN(1000); {
	case dice < 2:
		p.faults[2].Add(1)
		to.Write(b[:rnd.IntN(len(b))])
		to.(*net.TCPConn).SetLinger(0) // closing sends a reset
		return false
	case dice < 12:
		p.faults[1].Add(1)
		time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond) // the fault itself
	case dice < 60:
		p.faults[0].Add(1)
		for ; len(b) > 0 && rnd.IntN(500) > 0; b = b[1:] {
			if _, err := to.Write(b[:1]); err != nil {
				return false
			}
		}
	}
	_, err := to.Write(b)
	return err == nil
}

// chaosRun is traffic with random cancels on a bad network, and what came of it.
type chaosRun struct {
	node                   *Node
	seed                   uint64
	asked                  atomic.Int64 // requests that were sent, or may have been
	hits, misses, failures atomic.Int64
}

const (
	chaosWorkers = 64
	chaosKeys    = 300
	chaosTimeout = 10 * time.Millisecond
)

// work goes on until all workers together have sent so many requests.
func (r *chaosRun) work(worker int, requests int64) error {
	rnd := rand.New(rand.NewPCG(r.seed, uint64(worker)))
	for r.asked.Load() < requests {
		ctx, cancel := context.Background(), func() {}
		if rnd.IntN(10) < 3 {
			ctx, cancel = randomCancel(rnd)
		}
		ops := chaosBatch(rnd)
		r.node.Do(ctx, ops)
		cancel()
		for _, op := range ops {
			if err := r.judge(op); err != nil {
				return err
			}
		}
		if errors.Is(ops[0].Err, ErrNodeDown) {
			time.Sleep(time.Millisecond) // as a caller would that has no other node
		}
	}
	return nil
}

// randomCancel ends a call after 0 to 2 timeouts.
func randomCancel(rnd *rand.Rand) (context.Context, context.CancelFunc) {
	after := time.Duration(rnd.Int64N(int64(2 * chaosTimeout)))
	if rnd.IntN(2) == 0 {
		after /= 20 // most replies come sooner than that
	}
	if rnd.IntN(2) == 0 {
		return context.WithTimeout(context.Background(), after)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(after, cancel)
	return ctx, cancel
}

// chaosBatch returns mostly one request, mostly a read.
func chaosBatch(rnd *rand.Rand) []*Op {
	ops := make([]*Op, 1)
	if rnd.IntN(10) == 0 {
		ops = make([]*Op, 1+rnd.IntN(20))
	}
	for i := range ops {
		number := rnd.IntN(chaosKeys)
		key := fmt.Sprint("chaos", number)
		op := &Op{Request: protocol.Request{Command: protocol.Get, Key: key}, Hash: uint64(number)}
		switch rnd.IntN(10) {
		case 0, 1:
			op.Request.Command, op.Request.Value = protocol.Set, sealed(key, chaosSize(rnd))
		case 2:
			op.Request.Command, op.Request.Exptime = protocol.GetAndTouch, 1000
		case 3:
			if rnd.IntN(4) == 0 {
				op.Request.Command = protocol.Delete
			}
		case 4:
			op.Dst = make([]byte, 0, rnd.IntN(20_000))
		}
		ops[i] = op
	}
	return ops
}

func chaosSize(rnd *rand.Rand) int {
	if rnd.IntN(50) == 0 {
		return 8000 + rnd.IntN(60_000)
	}
	return 40 + rnd.IntN(300)
}

// judge returns an error if op brought a value that is not its key's, or is not whole.
func (r *chaosRun) judge(op *Op) error {
	var failed *Error
	if !errors.As(op.Err, &failed) || failed.Outcome != NotSent {
		r.asked.Add(1)
	}
	read := op.Request.Command == protocol.Get || op.Request.Command == protocol.GetAndTouch
	switch {
	case op.Err != nil:
		r.failures.Add(1)
		if op.Value != nil || op.Reply.Status != protocol.NoReply {
			return fmt.Errorf("a failed op with a result: %+v", op)
		}
	case op.Reply.Status == protocol.Miss:
		r.misses.Add(1)
	case read:
		r.hits.Add(1)
		return checkSealed(op.Request.Key, op.Value)
	}
	return nil
}

// TestNoReplyIsEverWrongOrTorn: under random cancels, stalls, bytes one by one and resets.
func TestNoReplyIsEverWrongOrTorn(t *testing.T) {
	seed := chaosSeed(t)
	for name, addr := range map[string]string{"memcached": realnode.Start(t).Addr, "memcachetest": startFake(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			proxy := startChaosProxy(t, addr, seed)
			n := newTestNode(t, Config{Addr: proxy.listener.Addr().String(), Timeout: chaosTimeout, DialTimeout: time.Second})
			n.lanes.trial.insist()
			run := &chaosRun{node: n, seed: seed}
			together(t, chaosWorkers, func(i int) error { return run.work(i, int64(chaosOps(t)/2)) })
			s := n.Stats()
			t.Logf("hits %d, misses %d, failures %d; chopped %d, stalled %d, reset %d; %+v", run.hits.Load(), run.misses.Load(),
				run.failures.Load(), proxy.faults[0].Load(), proxy.faults[1].Load(), proxy.faults[2].Load(), s)
			require.Greater(t, run.hits.Load(), int64(chaosOps(t)/50), "too few answers to mean anything")
			require.Positive(t, proxy.faults[0].Load()*proxy.faults[1].Load())
			require.NoError(t, n.Close())
		})
	}
}

// injected are replies that do not belong where they come, one in so many.
var injected = map[string]memcachetest.Fault{
	"stray END":    memcachetest.StrayLine(41, "END").Repeat(),
	"stray HD":     memcachetest.StrayLine(37, "HD").Repeat(),
	"stray EN":     memcachetest.StrayLine(31, "EN").Repeat(),
	"stray VALUE":  memcachetest.StrayLine(23, "VALUE chaos1 0 0 1\r\n").Repeat(),
	"stray STORED": memcachetest.StrayLine(29, "STORED").Repeat(),
	"stray error":  memcachetest.StrayLine(19, "SERVER_ERROR object too large for cache").Repeat(),
	"duplicate":    memcachetest.DuplicateReply(43).Repeat(),
	"swap":         memcachetest.SwapReplies(47).Repeat(),
}

// TestNoInjectedReplyBringsAWrongValue is the same with replies that are doubled, swapped or come from nowhere.
func TestNoInjectedReplyBringsAWrongValue(t *testing.T) {
	seed := chaosSeed(t)
	for name, fault := range injected {
		t.Run(name, func(t *testing.T) {
			s := startFake(t)
			n := newTestNode(t, Config{Addr: s.Addr(), Timeout: chaosTimeout, DialTimeout: time.Second})
			run := &chaosRun{node: n, seed: seed}
			require.NoError(t, run.work(1, 1000))
			s.Inject(fault)
			together(t, 8, func(i int) error { return run.work(i, int64(chaosOps(t)/20)) })
			require.Positive(t, run.hits.Load())
			require.Positive(t, n.Stats().Broken, "not one of them was noticed")
		})
	}
}

// TestEveryInjectedReplyIsDetected puts one wrong reply at every place of a batch whose replies all tell whose they are.
func TestEveryInjectedReplyIsDetected(t *testing.T) {
	batch := func() []*Op {
		return append(getOps("a"),
			&Op{Request: protocol.Request{Command: protocol.Set, Key: "x", Value: []byte("v")}},
			&Op{Request: protocol.Request{Command: protocol.Delete, Key: "y"}},
			&Op{Request: protocol.Request{Command: protocol.Get, Key: "b", Meta: protocol.ReturnValue | protocol.ReturnKey}},
			&Op{Request: protocol.Request{Command: protocol.Increment, Key: "n", Meta: protocol.ReturnValue}},
			&Op{Request: protocol.Request{Command: protocol.GetAndTouch, Key: "c", Exptime: 100}},
			&Op{Request: protocol.Request{Command: protocol.Get, Key: "d"}},
		)
	}
	stored := map[string]string{"a": "of a", "b": "of b", "c": "of c", "d": "of d", "n": "41"}
	size := len(batch())
	faults := map[string]func(at int) memcachetest.Fault{
		"duplicate": memcachetest.DuplicateReply,
		"swap":      memcachetest.SwapReplies,
	}
	for _, line := range []string{"END", "EN", "HD", "HD O1", "NF", "MN", "VA 4 O3\r\nof x", "VALUE x 0 4 1\r\nof x", "STORED",
		"OK", "ERROR", "42", "SERVER_ERROR out of memory storing object", "", " ", "\x00"} {
		faults["stray "+strconv.Quote(line)] = func(at int) memcachetest.Fault { return memcachetest.StrayLine(at, line) }
	}
	for name, fault := range faults {
		for at := 1; at <= size; at++ {
			if name == "swap" && at == size {
				continue // with what?
			}
			s := startFake(t, memcachetest.WithPipe())
			n := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: 5 * time.Second})
			s.InjectNext(fault(1 + len(stored) + at)) // 1: the handshake
			for key, value := range stored {
				mustSet(t, n, key, value)
			}
			ops := batch()
			n.Do(t.Context(), ops)
			checkNoneIsWrong(t, ops, stored)
			get(t.Context(), n, "z") // finds what comes behind the last reply
			mustSet(t, n, "z", "1")
			require.Equal(t, uint64(1), n.Stats().Broken, "%s at %d: %+v", name, at, n.Stats())
		}
	}
}

func checkNoneIsWrong(t *testing.T, ops []*Op, stored map[string]string) {
	for _, op := range ops {
		if op.Err != nil || len(op.Value) == 0 || op.Request.Command == protocol.Increment {
			continue
		}
		require.Equal(t, stored[op.Request.Key], string(op.Value), "value of another key")
	}
}

// TestSealedValuesShowWhatIsWrong keeps the checks of this file honest.
func TestSealedValuesShowWhatIsWrong(t *testing.T) {
	good := sealed("key", 100)
	require.NoError(t, checkSealed("key", good))
	require.Error(t, checkSealed("key2", good))
	require.Error(t, checkSealed("ke", good))
	require.Error(t, checkSealed("key", good[:99]))
	require.Error(t, checkSealed("key", append(bytes.Clone(good), 'x')))
	require.Error(t, checkSealed("key", nil))
	good[50] ^= 1
	require.Error(t, checkSealed("key", good))
}
