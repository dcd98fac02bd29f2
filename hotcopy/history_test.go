package hotcopy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// A history is what processes saw of one key that foreign clients write, while rules come and go and the home restarts.
// The values are the numbers of their writes. A read is stale if a write was acknowledged before the read began, less the
// staleness allowed, and the read returns what was written before that write had begun. Several writers can be under way at
// once, so a write is before another only if it was acknowledged before the other began.

// write is one of a foreign client's. Times are of one clock.
type write struct{ began, acked int64 }

// view is one read.
type view struct {
	began int64
	saw   int // number of the write
}

// history collects what happened.
type history struct {
	start  time.Time
	mu     sync.Mutex
	writes []write // by number; 0 is none
	views  []view
	misses []int64 // when they began
	failed int

	restarts atomic.Int64
}

func newHistory() *history { return &history{start: time.Now(), writes: make([]write, 1)} }

func (h *history) now() int64 { return int64(time.Since(h.start)) }

// begin returns the number of a write that begins now.
func (h *history) begin() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes = append(h.writes, write{began: h.now()})
	return len(h.writes) - 1
}

// ack notes that it was acknowledged.
func (h *history) ack(number int) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writes[number].acked = now
}

// add takes over what one reader saw.
func (h *history) add(views []view, misses []int64, failed int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.views = append(h.views, views...)
	h.misses = append(h.misses, misses...)
	h.failed += failed
}

// verdict is how many reads were older than allowed, and the oldest one's age beyond it.
type verdict struct {
	reads, stale int
	worst        time.Duration
}

// check judges all reads. For a read that may see what was current at time t or later, let w be, of the writes acknowledged
// before t, the one that began last: what was acknowledged before w began is stale.
func (h *history) check(allowed time.Duration) verdict {
	acked := slices.Collect(func(yield func(write) bool) {
		for _, w := range h.writes {
			if w.acked > 0 && !yield(w) {
				return
			}
		}
	})
	slices.SortFunc(acked, func(a, b write) int { return int(a.acked - b.acked) })
	lastBegan := make([]int64, len(acked)) // of the writes up to each
	for i, w := range acked {
		lastBegan[i] = w.began
		if i > 0 {
			lastBegan[i] = max(w.began, lastBegan[i-1])
		}
	}
	v := verdict{reads: len(h.views)}
	for _, r := range h.views {
		n, _ := slices.BinarySearchFunc(acked, r.began-int64(allowed), func(w write, t int64) int { return int(w.acked - t) })
		saw := h.writes[r.saw].acked
		if n > 0 && saw > 0 && saw < lastBegan[n-1] {
			v.stale++
			// It was replaced, at the latest, when the first write that began after it was acknowledged.
			replaced := acked[slices.IndexFunc(acked, func(w write) bool { return w.began > saw })].acked
			v.worst = max(v.worst, time.Duration(r.began-replaced)-allowed)
		}
	}
	return v
}

// extraMisses counts the misses of a key that had been stored before, and that no node has lost.
func (h *history) extraMisses() (n int) {
	stored := slices.MinFunc(h.writes[1:], func(a, b write) int { return int(a.acked - b.acked) }).acked
	for _, began := range h.misses {
		if began > stored {
			n++
		}
	}
	return n
}

// The checker itself, on a history by hand.
func TestHistoryCheck(t *testing.T) {
	h := newHistory()
	h.writes = []write{{}, {10, 20}, {30, 40}, {35, 50}, {60, 70}, {80, 0}}
	for _, c := range []struct {
		began   int64
		saw     int
		allowed time.Duration
		stale   int
	}{
		{45, 1, 0, 1}, {39, 1, 0, 0}, {45, 1, 6, 0}, // 2 was acknowledged at 40
		{55, 2, 0, 0}, {55, 3, 0, 0}, // they overlap
		{75, 2, 0, 1}, {75, 3, 0, 1}, {75, 4, 0, 0}, {75, 3, 4, 1}, {75, 3, 5, 0},
		{90, 4, 0, 0}, {90, 5, 0, 0}, // 5 was never acknowledged
	} {
		h.views = []view{{c.began, c.saw}}
		require.Equal(t, c.stale, h.check(c.allowed).stale, "%v", c)
	}
}

// foreign is a client that knows nothing of rules: a connection and classic text.
type foreign struct {
	node *realnode.Node
	nc   net.Conn
	in   *bufio.Reader
}

func (f *foreign) set(key, value string) error {
	if f.nc == nil {
		nc, err := f.node.Dial()
		if err != nil {
			return err
		}
		f.nc, f.in = nc, bufio.NewReader(nc)
	}
	err := f.exchange(key, value)
	if err != nil {
		f.close()
	}
	return err
}

func (f *foreign) exchange(key, value string) error {
	f.nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(f.nc, "set %s 0 0 %d\r\n%s\r\n", key, len(value), value); err != nil {
		return err
	}
	line, err := f.in.ReadString('\n')
	if err == nil && line != "STORED\r\n" {
		err = errors.New(line)
	}
	return err
}

func (f *foreign) close() {
	if f.nc != nil {
		f.nc.Close()
		f.nc = nil
	}
}

// scenario is one history to be made.
type scenario struct {
	action    hotkey.Action
	bytes     int // of Config
	writeTime time.Duration
	reads     int // in all
	restarts  bool
	least     int64 // restarts
	aware     bool  // a writer with rules as well
	alone     bool  // one process reads and writes, and nobody else does
	size      int   // of values
	pause     time.Duration
	dial      func(n *realnode.Node) pool.DialFunc // of processes; nil: plain
	wrong     func(p *realProcess) route.Route     // instead of the copies
}

// realProcess is one process of a scenario.
type realProcess struct {
	copies *Copies
	route  route.Route
	tree   route.Route
	nodes  []*pool.Node
	homeOf func(key string) *pool.Node
}

// lab is the nodes and processes of a scenario.
type lab struct {
	t         *testing.T
	nodes     []*realnode.Node
	processes []*realProcess
}

func newLab(t *testing.T, s scenario, nodes, processes int) *lab {
	l := &lab{t: t}
	for range nodes {
		l.nodes = append(l.nodes, realnode.Start(t, "-m", "256"))
	}
	for range processes {
		l.processes = append(l.processes, l.process(s))
	}
	return l
}

func (l *lab) process(s scenario) *realProcess {
	p := &realProcess{copies: New(Config{Bytes: s.bytes, WriteTime: s.writeTime})}
	var members []route.Member
	for _, n := range l.nodes {
		cfg := pool.Config{Addr: n.Addr, Timeout: 20 * time.Second, DialTimeout: 20 * time.Second, Generations: true}
		if s.dial != nil {
			cfg.Dial = s.dial(n)
		}
		node := pool.NewNode(cfg)
		p.nodes = append(p.nodes, node)
		members = append(members, route.Member{Route: node, Name: node.Name()})
	}
	slots, err := route.NewSlots(members, 1, "")
	require.NoError(l.t, err)
	p.homeOf = func(key string) *pool.Node { return slots.Replicas(request(protocol.Get, key)).All[0].(*pool.Node) }
	p.tree = treeOf(slots)
	p.route = p.copies.Route(p.tree, p.nodes...)
	if s.wrong != nil {
		p.route = s.wrong(p)
	}
	l.t.Cleanup(func() {
		for _, n := range p.nodes {
			n.Close()
		}
		p.copies.Close()
	})
	return p
}

// home returns the node where a key lives.
func (l *lab) home(key string) *realnode.Node {
	addr := l.processes[0].homeOf(key).Addr()
	return l.nodes[slices.IndexFunc(l.nodes, func(n *realnode.Node) bool { return n.Addr == addr })]
}

// valueOf returns the value with which a write of that number is known again.
func valueOf(number, size int) string {
	v := strconv.Itoa(number) + " "
	return v + strings.Repeat("x", max(size-len(v), 0))
}

func numberIn(value []byte) int {
	text, _, _ := strings.Cut(string(value[:min(len(value), 20)]), " ")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// run makes the history of one key.
func (l *lab) run(s scenario) *history {
	h := newHistory()
	stop := make(chan struct{})
	var others sync.WaitGroup
	readersOf := l.processes
	if s.alone {
		readersOf = readersOf[:1]
	} else {
		for i := range 2 {
			others.Go(func() { l.write(s, h, stop, uint64(i)) })
		}
	}
	if s.aware {
		others.Go(func() { l.writeAware(s, h, stop) })
	}
	others.Go(func() { l.switchRules(s, stop) })
	if s.restarts {
		others.Go(func() { l.restartHome(h, stop) })
	}
	var left atomic.Int64
	left.Store(int64(s.reads))
	var readers sync.WaitGroup
	for _, p := range readersOf {
		for range 2 {
			readers.Go(func() { read(p, h, &left, s) })
		}
	}
	readers.Wait()
	close(stop)
	others.Wait()
	return h
}

// A history with restarts has so many at least, however fast the machine reads. For an old CAS to come again, nodes must have
// restarted some times.
const (
	wantedRestarts = 2
	caughtRestarts = 15
)

// read reads until enough has been read by all.
func read(p *realProcess, h *history, left *atomic.Int64, s scenario) {
	var views []view
	var misses []int64
	failed := 0
	dst := make([]byte, 0, s.size+100)
	op := getOp(key)
	ops := []*route.Op{op}
	for n := left.Add(-1); n >= 0 || s.restarts && h.restarts.Load() < max(wantedRestarts, s.least); n = left.Add(-1) {
		if s.alone && n%100 == 0 {
			p.write(h, s.size)
		}
		*op = route.Op{Request: op.Request, Hash: op.Hash, Dst: dst}
		began := h.now()
		p.route.Do(context.Background(), ops)
		switch {
		case op.Err != nil:
			failed++
			left.Add(1)
			pauseOrStop(time.Millisecond, nil)
		case op.Reply.Status == protocol.Miss:
			misses = append(misses, began)
		default:
			views = append(views, view{began, numberIn(op.Value)})
		}
	}
	h.add(views, misses, failed)
}

// write writes as a foreign client, at moments that have nothing to do with what others do.
func (l *lab) write(s scenario, h *history, stop <-chan struct{}, seed uint64) {
	rng := rand.New(rand.NewPCG(1, seed))
	f := &foreign{node: l.home(key)}
	defer f.close()
	for pauseOrStop(time.Duration(rng.Int64N(2*int64(s.pause))), stop) {
		number := h.begin()
		if f.set(key, valueOf(number, s.size)) == nil {
			h.ack(number)
		}
	}
}

// writeAware writes as one of the processes.
func (l *lab) writeAware(s scenario, h *history, stop <-chan struct{}) {
	rng := rand.New(rand.NewPCG(2, 2))
	p := l.processes[0]
	for pauseOrStop(time.Duration(rng.Int64N(4*int64(s.pause))), stop) {
		p.write(h, s.size)
	}
}

func (p *realProcess) write(h *history, size int) {
	number := h.begin()
	op := storeOp(protocol.Set, key, valueOf(number, size))
	p.route.Do(context.Background(), []*route.Op{op})
	if op.Err == nil && op.Reply.Status == protocol.OK {
		h.ack(number)
	}
}

// switchRules has rules come, change and go, which each process learns at another time, and the last one never.
func (l *lab) switchRules(s scenario, stop <-chan struct{}) {
	rng := rand.New(rand.NewPCG(3, 3))
	last := len(l.processes) - 1
	for round := 0; ; round++ {
		action := s.action
		if action.Kind == hotkey.Spread {
			action.Copies = 2 + round%(len(l.nodes)-1)
		}
		table, err := hotkey.NewTable(hotkey.Header{}, []hotkey.Rule{{Key: key, Action: action}})
		if err != nil {
			panic(err)
		}
		if round%4 == 3 {
			table = nil
		}
		for _, p := range l.processes[:last] {
			p.copies.SetTable(table)
			if !pauseOrStop(time.Duration(rng.Int64N(int64(20*time.Millisecond))), stop) {
				return
			}
		}
		if !pauseOrStop(300*time.Millisecond, stop) {
			return
		}
	}
}

func (l *lab) restartHome(h *history, stop <-chan struct{}) {
	home := l.home(key)
	for pauseOrStop(200*time.Millisecond, stop) {
		if err := home.Restart(); err != nil {
			panic(err)
		}
		h.restarts.Add(1)
	}
}

// pauseOrStop waits for d and reports whether to go on.
func pauseOrStop(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// readsWanted returns how many reads the histories together make: NOHOP_HOTCOPY_READS, or some.
func readsWanted(t *testing.T) int {
	text := os.Getenv("NOHOP_HOTCOPY_READS")
	switch {
	case text == "" && raceDetector:
		return 16_000
	case text == "":
		return 80_000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// report says what a history came to, and how much of it was served by copies.
func (l *lab) report(name string, h *history, v verdict) (copied, kept uint64) {
	var s Stats
	for _, p := range l.processes {
		one := p.copies.Stats()
		s.Copied += one.Copied
		s.Kept += one.Kept
		s.Fills += one.Fills
		s.Pushes += one.Pushes
		s.Fallbacks += one.Fallbacks
		s.Waits += one.Waits
	}
	l.t.Logf("%s: %d reads, %d stale (worst %v), %d misses, %d failed, %d writes, %d restarts; %d kept, %d copied, %d fills, %d pushes, %d waits, %d fallbacks",
		name, v.reads, v.stale, v.worst, len(h.misses), h.failed, len(h.writes)-1, h.restarts.Load(), s.Kept, s.Copied, s.Fills, s.Pushes, s.Waits, s.Fallbacks)
	return s.Copied, s.Kept
}

// Strict rules: no read is stale, whoever writes and whatever happens to the home.
func TestStrictHistories(t *testing.T) {
	reads := readsWanted(t)
	for _, c := range []struct {
		name string
		s    scenario
	}{
		{"keep", scenario{action: keepStrict, reads: reads / 4, aware: true, size: 1000}},
		{"keep, restarts", scenario{action: keepStrict, reads: reads / 4, restarts: true, size: 1000}},
		{"spread", scenario{action: hotkey.Action{Kind: hotkey.Spread}, bytes: -1, reads: reads / 4, aware: true, size: 1000}},
		{"spread, restarts", scenario{action: hotkey.Action{Kind: hotkey.Spread}, bytes: -1, reads: reads / 4, restarts: true, aware: true, size: 1000}},
	} {
		c.s.pause = 15 * time.Millisecond
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.s, 4, 4)
			h := l.run(c.s)
			v := h.check(0)
			copied, kept := l.report(c.name, h, v)
			require.Zero(t, v.stale, "worst by %v", v.worst)
			require.Greater(t, copied+kept, uint64(c.s.reads)/20, "the copies must have been used")
			require.False(t, slices.ContainsFunc(h.views, func(v view) bool { return v.saw < 0 }), "a value that nobody wrote")
			require.Equal(t, c.s.restarts, h.restarts.Load() > 0)
			if !c.s.restarts {
				require.Zero(t, h.extraMisses())
			}
		})
	}
}

// With a staleness no read is older than that.
func TestBoundedHistories(t *testing.T) {
	const staleness = 100 * time.Millisecond
	reads := readsWanted(t)
	for _, c := range []struct {
		name string
		s    scenario
	}{
		{"keep", scenario{action: keepFor(staleness), reads: 10 * reads, restarts: true}},
		{"spread", scenario{action: hotkey.Action{Kind: hotkey.Spread, Staleness: staleness}, bytes: -1, reads: reads / 2, aware: true}},
	} {
		c.s.pause, c.s.size, c.s.writeTime = 15*time.Millisecond, 1000, 50*time.Millisecond
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.s, 4, 4)
			h := l.run(c.s)
			v := h.check(staleness)
			copied, kept := l.report(c.name, h, v)
			t.Logf("oldest: %v", h.check(0).worst)
			require.Zero(t, v.stale, "worst by %v", v.worst)
			require.Greater(t, copied+kept, uint64(c.s.reads)/20)
			require.Positive(t, h.check(0).stale, "or nothing was tested")
		})
	}
}

// A process that allows a staleness reads its own writes all the same.
func TestOwnWriteHistories(t *testing.T) {
	for _, action := range []hotkey.Action{keepFor(time.Second), {Kind: hotkey.Spread, Staleness: time.Second}} {
		s := scenario{action: action, reads: readsWanted(t), alone: true, size: 1000, writeTime: 100 * time.Millisecond}
		if action.Kind == hotkey.Spread {
			s.bytes, s.reads = -1, s.reads/4
		}
		l := newLab(t, s, 4, 2)
		h := l.run(s)
		v := h.check(0)
		copied, kept := l.report("own writes, "+action.Kind.String(), h, v)
		require.Zero(t, v.stale, "worst by %v", v.worst)
		require.Greater(t, copied+kept, uint64(s.reads)/50)
	}
}

// The same histories catch what is wrong on purpose. Without the generation in a copy's name, the CAS of a home that has
// restarted means an old value: here every life of a node is given the same mark before a process meets it.
func TestHistoriesCatchAMissingGeneration(t *testing.T) {
	s := scenario{
		action: hotkey.Action{Kind: hotkey.Spread}, reads: caughtReads, restarts: true, least: caughtRestarts, size: 1000, pause: 5 * time.Millisecond,
		dial: func(n *realnode.Node) pool.DialFunc {
			return func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				mark := "00000000000000aa 0"
				fmt.Fprintf(nc, "add ~m 0 0 %d noreply\r\n%s\r\n", len(mark), mark)
				return nc, nil
			}
		},
	}
	requireCaught(t, "no generation", s)
}

// Nor does it do to write the value to two nodes, which do not see the writes in one order, and of which foreign writers
// know only one.
func TestHistoriesCatchADualSet(t *testing.T) {
	s := scenario{
		action: hotkey.Action{Kind: hotkey.Spread}, reads: caughtReads, aware: true, size: 1000, pause: 15 * time.Millisecond,
		wrong: func(p *realProcess) route.Route { return &dualSet{p} },
	}
	requireCaught(t, "dual set", s)
}

// caughtReads are many more than it takes.
const caughtReads = 20_000

func requireCaught(t *testing.T, name string, s scenario) {
	l := newLab(t, s, 4, 4)
	h := l.run(s)
	v := h.check(0)
	l.report(name, h, v)
	require.Positive(t, v.stale)
}

// dualSet is the obvious way to copy a hot key: while there is a rule, set it at its home and at one more node, and read
// it there.
type dualSet struct{ p *realProcess }

func (d *dualSet) Do(ctx context.Context, ops []*route.Op) {
	op := ops[0]
	if d.p.copies.Table() == nil {
		d.p.tree.Do(ctx, ops)
		return
	}
	other := d.other()
	if op.Request.Command == protocol.Set {
		d.p.tree.Do(ctx, ops)
		second := storeOp(protocol.Set, key, string(op.Request.Value))
		other.Do(ctx, []*route.Op{second})
		return
	}
	other.Do(ctx, ops)
	if op.Err != nil || op.Reply.Status == protocol.OK {
		return
	}
	d.p.tree.Do(ctx, ops)
	if op.Err == nil && op.Reply.Status == protocol.OK {
		other.Do(ctx, []*route.Op{storeOp(protocol.Add, key, string(op.Value))})
	}
}

// other is the same node in every process, and not the home.
func (d *dualSet) other() *pool.Node {
	if d.p.nodes[0] == d.p.homeOf(key) {
		return d.p.nodes[1]
	}
	return d.p.nodes[0]
}
