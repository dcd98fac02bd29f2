package memcachetest

import (
	"sync"
	"sync/atomic"
)

// faultPlan holds the faults a server was told to make. It is safe for
// concurrent use.
type faultPlan struct {
	version atomic.Int64 // changes with everything below

	mu     sync.Mutex
	faults []Fault       // for every connection
	next   [][]Fault     // for one connection each, in order
	healed chan struct{} // closed by clear, then replaced
}

func newFaultPlan() *faultPlan {
	return &faultPlan{healed: make(chan struct{})}
}

func (p *faultPlan) add(faults []Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, faults...)
	p.version.Add(1)
}

func (p *faultPlan) addNext(faults []Fault) {
	for _, f := range faults {
		if f.kind == faultRefuse {
			panic("memcachetest: InjectNext(Refuse()): no connection to refuse it on")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = append(p.next, append([]Fault(nil), faults...))
}

func (p *faultPlan) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.next = nil, nil
	p.version.Add(1) // before whoever waits for healed looks at it
	close(p.healed)
	p.healed = make(chan struct{})
}

func (p *faultPlan) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		if f.kind == faultRefuse {
			return true
		}
	}
	return false
}

// newInjector returns the faults of a new connection.
func (p *faultPlan) newInjector() injector {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := injector{plan: p, healed: p.healed, version: p.version.Load()}
	i.arm(p.faults)
	i.shared = len(p.faults)
	if len(p.next) > 0 {
		i.arm(p.next[0])
		p.next = p.next[1:]
	}
	return i
}

// injector is the state of the faults on one connection, whose goroutine owns
// it.
type injector struct {
	plan    *faultPlan
	version int64
	healed  chan struct{} // of the plan, when version was read
	shared  int           // how many of the plan's faults are armed
	armed   []*armedFault
	late    []byte // held replies of healed faults, to be sent
}

func (i *injector) arm(faults []Fault) {
	for _, f := range faults {
		i.armed = append(i.armed, &armedFault{Fault: f})
	}
}

func (i *injector) idle() bool { return len(i.armed) == 0 && len(i.late) == 0 }

// refresh follows the plan. Faults that are already armed keep their counts.
func (i *injector) refresh() {
	if i.plan.version.Load() == i.version {
		return
	}
	i.plan.mu.Lock()
	defer i.plan.mu.Unlock()
	if i.healed != i.plan.healed {
		i.disarm()
		i.healed = i.plan.healed
	}
	i.arm(i.plan.faults[i.shared:])
	i.shared = len(i.plan.faults)
	i.version = i.plan.version.Load()
}

func (i *injector) disarm() {
	for _, f := range i.armed {
		i.late = append(i.late, f.held...)
	}
	i.armed, i.shared = nil, 0
}

// find returns the first armed fault of a kind, or nil.
func (i *injector) find(kind faultKind) *armedFault {
	for _, f := range i.armed {
		if f.kind == kind {
			return f
		}
	}
	return nil
}

// stalled reports whether no reply may be sent any more.
func (i *injector) stalled() bool {
	for _, f := range i.armed {
		if f.kind == faultStall && f.seen >= f.at {
			return true
		}
	}
	return false
}

// pass sends one reply through every fault.
func (i *injector) pass(reply []byte) []byte {
	for _, f := range i.armed {
		reply = f.pass(reply)
	}
	return reply
}
