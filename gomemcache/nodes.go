package memcache

import (
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// nodes are the nodes of one client, each made when its address is first picked.
type nodes struct {
	selector ServerSelector

	byAddr atomic.Pointer[map[address]*member] // the map is immutable, and replaced under mu

	mu       sync.Mutex // never held across a wait or a call of the selector
	leaving  map[*member]*time.Timer
	sweeper  *time.Timer
	sweeping bool // the sweeper runs
}

// member is a node of the client.
type member struct {
	node    *pool.Node
	home    []route.Route // the node alone, as a placement shows it
	timeout time.Duration // that it was made with
	used    atomic.Bool   // since the last sweep
}

// sweepEvery is how often a client that is in use looks for nodes that are not. It is far above what an operation takes.
const sweepEvery = 30 * time.Second

// pick returns the node on which key lives.
func (n *nodes) pick(key string, s settings) (*member, error) {
	if n.selector == nil {
		return nil, ErrNoServers
	}
	addr, err := n.selector.PickServer(key)
	if err != nil {
		return nil, err
	}
	if addr == nil {
		return nil, ErrNoServers
	}
	return n.at(addressOf(addr), s), nil
}

// each calls f for each address that the selector names.
func (n *nodes) each(f func(net.Addr) error) error {
	if n.selector == nil {
		return nil
	}
	return n.selector.Each(f)
}

// at returns the node at a, with the timeout of s.
func (n *nodes) at(a address, s settings) *member {
	m := n.all()[a]
	if m == nil || m.timeout != s.timeout {
		m = n.admit(a, s)
	}
	if !m.used.Load() {
		m.used.Store(true)
		n.expectSweep()
	}
	return m
}

func (n *nodes) all() map[address]*member {
	if all := n.byAddr.Load(); all != nil {
		return *all
	}
	return nil
}

// admit makes the node at a, unless another goroutine was faster. One with another timeout leaves.
func (n *nodes) admit(a address, s settings) *member {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := map[address]*member{}
	maps.Copy(next, n.all())
	if known := next[a]; known != nil {
		if known.timeout == s.timeout {
			return known
		}
		n.dismissLocked(known)
	}
	next[a] = s.newMember(a)
	n.byAddr.Store(&next)
	return next[a]
}

// dismissLocked closes a node that is not in the map any more, after a grace: operations may just have found it there.
func (n *nodes) dismissLocked(m *member) {
	if n.leaving == nil {
		n.leaving = map[*member]*time.Timer{}
	}
	n.leaving[m] = time.AfterFunc(4*m.timeout, func() {
		m.node.Close()
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.leaving, m)
	})
}

// expectSweep starts the sweeper. It stops by itself when no node is used any more, so that a client that its program has
// forgotten is not kept in memory by it.
func (n *nodes) expectSweep() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.sweeping {
		n.startSweeperLocked()
	}
}

func (n *nodes) startSweeperLocked() {
	n.sweeping = true
	if n.sweeper == nil {
		n.sweeper = time.AfterFunc(sweepEvery, n.sweep)
		return
	}
	n.sweeper.Reset(sweepEvery)
}

// sweep dismisses the nodes that were not used since the last sweep and that the selector does not name any more.
func (n *nodes) sweep() {
	named := n.named()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sweeping = false
	next := maps.Clone(n.all())
	for a, m := range next {
		switch {
		case m.used.Swap(false):
			n.startSweeperLocked()
		case !named[a]:
			delete(next, a)
			n.dismissLocked(m)
		}
	}
	n.byAddr.Store(&next)
}

func (n *nodes) named() map[address]bool {
	named := map[address]bool{}
	_ = n.each(func(addr net.Addr) error { // what it has named until an error counts
		if addr != nil {
			named[addressOf(addr)] = true
		}
		return nil
	})
	return named
}

// close closes all nodes, those that are leaving too.
func (n *nodes) close() {
	for _, m := range n.takeAll() {
		m.node.Close()
	}
}

func (n *nodes) takeAll() (taken []*member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.all() {
		taken = append(taken, m)
	}
	for m, timer := range n.leaving {
		timer.Stop()
		taken = append(taken, m)
	}
	clear(n.leaving)
	n.byAddr.Store(&map[address]*member{})
	if n.sweeping {
		n.sweeper.Stop()
		n.sweeping = false
	}
	return taken
}
