package pool

import "time"

// Step is how far a node is on its way into the view or out of it, for routes by which a key has one home. There, the home
// of a key must not change for one process while another one still reads the old home; so a change is a walk, and
// nobody is more than one step ahead of anybody else. The way in is counted on the node itself, from the mark, so all
// processes agree on it; the way out is counted by each process, from when it has seen the list without the node, which is
// at most D apart. Each step lasts for D and some seconds, but Filling for Config.WarmUp if that is longer.
type Step uint8

// The steps. A node without Config.Quarantine always serves.
const (
	Serving   Step = iota // nothing special
	Unmet                 // there was no connection yet, so it may be at any step
	Returning             // in: it has lost its mark though it is not new. Some may still use it, so nobody stores its keys anywhere
	Entering              // in, 1: only deleted at
	Filling               // in, 2: it is used; what it does not have may be at who had the key before
	Settling              // in, 3: it is used; what others may still read there is still deleted
	Recalled              // out, 0: its way in was not over, and others may still fill it. As Retiring, but who has the key next is deleted at before, too
	Retiring              // out, 1: it is used; who has the key next is deleted at
	Draining              // out, 2: what who has the key now does not have may be here
	Retired               // out, 3: only deleted at
)

var stepNames = [...]string{"serving", "unmet", "returning", "entering", "filling", "settling", "recalled", "retiring", "draining", "retired"}

// String returns the step in a word.
func (s Step) String() string { return stepNames[s] }

// Step returns the step that the node is at. It takes no lock.
func (n *Node) Step() Step {
	if n.quarantine.walks.Load() == 0 {
		return Serving
	}
	return n.stepNow()
}

func (n *Node) stepNow() Step { return n.quarantine.step(n.now(), &n.cfg) }

// Retire begins the way out. Other than with Leave, the node is used for one step more, and then read by those who want
// what it has. It returns how long that takes. There is no way back: see Leave.
func (n *Node) Retire() time.Duration {
	q := &n.quarantine
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retired.CompareAndSwap(0, max(n.now(), 1))
	q.walks.Store(forever)
	return n.cfg.recalled(q.age()) + n.cfg.retiring() + 2*n.cfg.stepTime()
}

// KnownToLeave reports whether every process knows that the node leaves: this one has for D.
func (n *Node) KnownToLeave() bool {
	retired := n.quarantine.retired.Load()
	return retired > 0 && n.now()-retired >= int64(n.cfg.Quarantine)
}

// ServingSince returns since when the node has been used in this life of its, as a time of this process; false if that
// is not known, or it is not yet used.
func (n *Node) ServingSince() (time.Time, bool) {
	q := &n.quarantine
	since := q.since.Load()
	if q.mark.Load() == nil || since > n.now() {
		return time.Time{}, false
	}
	return n.born.Add(time.Duration(since)), true
}

func (q *quarantine) step(now int64, cfg *Config) Step {
	joining, since := q.until.Load()-now, q.since.Load()
	switch retired := q.retired.Load(); {
	case q.until.Load() == forever, retired > 0 && joining > 0: // Leave; it has restarted
		return Retired
	case retired > 0:
		return stepOut(time.Duration(now-retired), cfg.recalled(q.age()), cfg)
	case since == 0:
		return Unmet
	case joining > int64(cfg.stepTime()+time.Second): // the mark counts whole seconds
		return Returning
	case joining > 0:
		return Entering
	}
	switch age := time.Duration(now - since); {
	case age < cfg.filling():
		return Filling
	case age < cfg.filling()+cfg.stepTime():
		return Settling
	}
	q.arrive(since)
	return Serving
}

// arrive ends the way into the view, unless another one has begun.
func (q *quarantine) arrive(since int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.since.Load() == since && q.retired.Load() == 0 && q.until.Load() != forever {
		q.walks.Store(0)
	}
}

// stepOut returns the step of a node that left so long ago, and was recalled for so long.
func stepOut(ago, recalled time.Duration, cfg *Config) Step {
	switch ago -= recalled; {
	case ago < 0:
		return Recalled
	case ago < cfg.retiring():
		return Retiring
	case ago < cfg.retiring()+cfg.stepTime():
		return Draining
	}
	return Retired
}

// age returns how long the node had been used when it left.
func (q *quarantine) age() time.Duration { return time.Duration(q.retired.Load() - q.since.Load()) }

// stepTime is how long a step lasts: D, and what whole seconds of the node's clock may hide.
func (c *Config) stepTime() time.Duration {
	return time.Duration(markSeconds(c.Quarantine)) * time.Second
}

// filling is how long the second step in lasts: what nobody asks for in that time stays behind.
func (c *Config) filling() time.Duration { return max(c.stepTime(), c.WarmUp) }

// recalled is how long a node is Recalled that left at that age.
func (c *Config) recalled(age time.Duration) time.Duration {
	if age < c.filling()+c.stepTime() {
		return c.stepTime()
	}
	return 0
}

// retiring is how long the step out lasts that is the first of a node that served. It is longer than the first step in, so
// that a node which takes the place of one that leaves is ready to.
func (c *Config) retiring() time.Duration { return c.stepTime() + 3*time.Second }
