package route

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// LateClears clears replicas again after writes that their home has not acknowledged. What it closes: such a write may be
// done late, or the home's journal deletes the key late; what others have filled their replicas with in between, and after
// the write's own clears, is older than the write, and would stay until its TTL ends.
//
// The home can tell when it answers a read of the key by this process: that is sent behind the write on the write's own
// connection, or else refused until the node's journal has deleted the key (pool.ErrMissedWrite). Then no more comes of the
// write, and what was filled before is cleared.
//
// Until then this process reads the key at its home alone, and takes it for missing if that cannot answer: a replica may
// have been filled by a process that can reach the home, with what is older than the own write. Nodes may come and go
// meanwhile: one LateClears serves all the trees of a client that follow each other, and clears at the replicas of the last.
//
// The same is done for writes of a key that moves, which another node than the home may have missed (movinglate.go).
//
// It runs on one goroutine of the Background, while there is work, and ends when the nodes are closed, or with Stop. Of more
// than 65,536 keys the copies stay until their TTL ends. Safe for concurrent use.
type LateClears struct {
	background *Background
	stopped    context.Context // ended by Stop
	stop       context.CancelFunc

	mu        sync.Mutex
	placement Placement // of the last tree; nil before Follow
	waiting   map[lateKey]*lateClear
	keys      map[string]lateOf
	running   bool
	delayed   bool         // it is to be started later
	size      atomic.Int64 // of waiting, for those who only look whether it is empty
}

type lateKey struct {
	home Route
	key  string
}

// lateOf is what is known of a key in waiting.
type lateOf struct {
	count int      // of waiting
	own   ownValue // what this process has stored since, of a key that moves
}

// lateClear is a clear that waits for its home, or the node that has missed a write, to answer a read.
type lateClear struct {
	home   Route
	others []Route
	moving bool // the key's home is another one by now, or soon: it is cleared, too
	read   protocol.Request
	hash   uint64
}

const (
	lateLimit = 1 << 16 // as many as a node's journal has
	lateBatch = 256     // keys that are looked at together
	latePause = 50 * time.Millisecond
)

// NewLateClears returns one that works in b, without which there is none.
func NewLateClears(b *Background) *LateClears {
	if b == nil {
		return nil
	}
	l := &LateClears{background: b, waiting: make(map[lateKey]*lateClear), keys: make(map[string]lateOf)}
	l.stopped, l.stop = context.WithCancel(context.Background())
	return l
}

// Stop has what waits looked at once more, and then be waited for no longer, so that the Background can be closed while a
// home is away.
func (l *LateClears) Stop() { l.stop() }

// Follow has p be where keys are cleared: the placement of the newest tree. Coherent does it by itself.
func (l *LateClears) Follow(p Placement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.placement = p
}

// add takes ops, which were sent there.
func (l *LateClears) add(ops []*Op, at []placed) {
	for i, op := range ops {
		l.put(newLateClear(op, at[i].route(), at[i].others()))
	}
}

func newLateClear(op *Op, home Route, others []Route) *lateClear {
	read := protocol.Request{Command: protocol.Get, Key: op.Request.Key, Meta: op.Request.Meta&protocol.BinaryKey | readFlags}
	return &lateClear{home: home, others: others, read: read, hash: op.Hash}
}

func (c *lateClear) key() lateKey { return lateKey{c.home, c.read.Key} }

func (l *LateClears) put(c *lateClear) { l.putOwn(c, ownValue{}) }

// putOwn has c wait; own is what this process has stored at the home.
func (l *LateClears) putOwn(c *lateClear, own ownValue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.keys[c.read.Key]
	if l.waiting[c.key()] == nil {
		if len(l.waiting) >= lateLimit {
			return
		}
		of.count++
	}
	of.own = own
	l.keys[c.read.Key] = of
	l.waiting[c.key()] = c
	l.size.Store(int64(len(l.waiting)))
	l.startLocked()
}

// startLocked starts the goroutine, unless it runs. Where the Background has no room, it tries again later.
func (l *LateClears) startLocked() {
	if l.running || l.delayed || len(l.waiting) == 0 || l.stopped.Err() != nil {
		return
	}
	if l.running = l.background.goIfRoom(l.run); !l.running && !l.background.isClosed() {
		l.delayed = true
		time.AfterFunc(latePause, l.startLate)
	}
}

func (l *LateClears) startLate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delayed = false
	l.startLocked()
}

// forget takes c out, unless a later write of its key waits by now.
func (l *LateClears) forget(c *lateClear) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[c.key()] == c {
		l.forgetLocked(c.key())
	}
}

func (l *LateClears) forgetLocked(k lateKey) {
	delete(l.waiting, k)
	l.size.Store(int64(len(l.waiting)))
	of := l.keys[k.key]
	if of.count--; of.count == 0 {
		delete(l.keys, k.key)
		return
	}
	l.keys[k.key] = of
}

// own returns what this process has stored of op's key, if that waits.
func (l *LateClears) own(op *Op) ownValue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[op.Request.Key].own
}

// has reports whether op's key waits for a home to answer.
func (l *LateClears) has(op *Op) bool {
	if l == nil || l.size.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys[op.Request.Key].count > 0
}

// run looks at what waits until nothing does.
func (l *LateClears) run() {
	timer := time.NewTimer(latePause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-l.stopped.Done():
		}
		last := l.stopped.Err() != nil
		batch := l.take()
		if len(batch) == 0 {
			return
		}
		ended := l.work(batch)
		if last && ended == 0 {
			return
		}
		if ended > 0 {
			timer.Reset(0)
		} else {
			timer.Reset(latePause)
		}
	}
}

// take returns some that wait, at random, so that those of a dead home do not keep others from their turn. If there are none,
// the goroutine must end.
func (l *LateClears) take() (batch []*lateClear) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.waiting {
		if len(batch) == lateBatch {
			break
		}
		batch = append(batch, c)
	}
	l.running = len(batch) > 0
	return batch
}

// work asks the homes of a batch and clears the keys of those that have answered, or are gone. It returns how many need not
// wait any longer.
func (l *LateClears) work(batch []*lateClear) (ended int) {
	looks, clears := newWrite(), newWrite()
	defer looks.free()
	defer clears.free()
	for _, c := range batch {
		looks.send(&Op{}, c.home, &c.read, c.hash)
	}
	looks.do(context.Background())
	var over []*lateClear
	for i, look := range looks.copies[:looks.used] {
		if look.Err == nil || FailureOf(look.Err)&(FailClosed|FailRequest) != 0 {
			over = append(over, batch[i])
		}
	}
	for _, c := range over {
		look := &Op{Request: c.read, Hash: c.hash}
		clears.add(look, l.without(l.others(c, look), look), clearOf(look))
	}
	clears.do(context.Background())
	noteMissed(clears.copies[:clears.used])
	for _, c := range over {
		l.forget(c)
	}
	return len(over)
}

// others returns the replicas to clear: those that there were at the write, and those that have come since.
func (l *LateClears) others(c *lateClear, op *Op) []Route {
	l.mu.Lock()
	p := l.placement
	l.mu.Unlock()
	list := slices.Clone(c.others)
	if p == nil { // nobody has told
		return list
	}
	for _, replica := range c.since(p.Replicas(op), op) {
		if replica != c.home && !slices.Contains(list, replica) {
			list = append(list, replica)
		}
	}
	return list
}

// without returns nodes without the one that has what this process has stored, if that is still there.
func (l *LateClears) without(nodes []Route, look *Op) []Route {
	own := l.own(look)
	if own.node == nil {
		return nodes
	}
	own.node.Do(context.Background(), []*Op{look})
	if !isHit(look) || ownOf(look) != own {
		return nodes
	}
	return slices.DeleteFunc(nodes, func(r Route) bool { return r == Route(own.node) })
}

// since returns the replicas r that are to be cleared if they have come since the write.
func (c *lateClear) since(r Replicas, op *Op) []Route {
	if c.moving {
		return partsOf(r, op)
	}
	return besides(r.home(op), r.All)
}
