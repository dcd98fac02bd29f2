package sflow

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueLength  = 512         // samples that wait for the sender; more are drops
	writeTimeout = time.Second // of a datagram: UDP hardly ever waits, and Close must not
	never        = 1 << 62     // operations
)

// Exporter samples operations and sends the samples. It is safe for concurrent use. A nil Exporter observes nothing.
type Exporter struct {
	left    atomic.Int64 // operations until the next sample; ran out at 0 or below
	mu      sync.Mutex   // held by whoever takes a sample; never across a wait
	armed   int64        // guarded by mu: sum of all that left was given
	pool    int64        // guarded by mu: of the last sample
	drops   uint32       // guarded by mu
	closed  bool         // guarded by mu
	rate    int
	queue   chan sample
	stopped chan struct{} // closed when the sender has ended

	marked atomic.Int64 // calls under way that have a mark

	conns     []net.Conn // owned by the sender
	datagrams atomic.Uint64
	samples   atomic.Uint64
	failed    atomic.Uint64
}

// NewExporter returns an exporter that sends to c's collectors until Close. The error matches ErrBadConfig, or is that of
// dialing a collector: a name that does not resolve. That nobody listens there is no error.
func NewExporter(c Config) (*Exporter, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	conns, err := c.dial(context.Background())
	if err != nil {
		return nil, err
	}
	agent := c.Agent.WithZone("").Unmap()
	if !agent.IsValid() {
		agent = localAddr(conns[0]).WithZone("")
	}
	e := &Exporter{
		rate:    c.SamplingRate,
		queue:   make(chan sample, queueLength),
		stopped: make(chan struct{}),
		conns:   conns,
	}
	e.armed = e.gap()
	e.left.Store(e.armed)
	go e.send(newDatagram(c, agent), c.FlushInterval)
	return e, nil
}

// Observe counts op and samples it if it is its turn. An operation that is not sampled costs one atomic subtraction. It
// never waits: a sample that finds the queue full is dropped, and counted as the specification says.
func (e *Exporter) Observe(op Operation) {
	if e == nil || e.left.Add(-1) > 0 {
		return
	}
	e.sample(op)
}

// sample takes op, unless another call has done so in the meantime.
//
//go:noinline
func (e *Exporter) sample(op Operation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.left.Load() > 0 || e.closed {
		return
	}
	pool := e.armed // where the countdown ran out, though others may have counted on since
	e.armLocked()
	e.queueLocked(op, pool)
}

// queueLocked hands a sample to the sender. pool is the number of operations there were to choose from.
func (e *Exporter) queueLocked(op Operation, pool int64) {
	op.Key = strings.Clone(op.Key[:min(len(op.Key), maxKey)]) // it may be a part of something large
	e.pool = max(e.pool, pool)                                // calls end in another order than they begin
	select {
	case e.queue <- sample{op: op, pool: uint32(e.pool), drops: e.drops}: // both counts wrap, as specified
	default:
		e.drops++
	}
}

// armLocked begins the countdown to the next sample, and returns what is left of it.
func (e *Exporter) armLocked() (left int64) {
	gap := e.gap()
	e.armed += gap
	return e.left.Add(gap)
}

// gap is the number of operations to the next sample. It is random, for what happens regularly must not be seen always or
// never: geometric, as if each operation were chosen with probability 1/N.
func (e *Exporter) gap() int64 {
	if e.rate == 1 {
		return 1
	}
	u := 1 - rand.Float64() // above 0, at most 1
	return 1 + int64(math.Log(u)/math.Log1p(-1/float64(e.rate)))
}

// send turns samples into datagrams, until the queue is closed.
func (e *Exporter) send(d *datagram, interval time.Duration) {
	defer close(e.stopped)
	defer closeAll(e.conns)
	timer := time.NewTimer(interval)
	timer.Stop()
	for {
		select {
		case s, ok := <-e.queue:
			if !ok {
				e.flush(d)
				return
			}
			e.put(d, &s)
			if d.count == 1 {
				timer.Reset(interval)
			}
		case <-timer.C:
			e.flush(d)
		}
	}
}

func (e *Exporter) put(d *datagram, s *sample) {
	if !d.add(s) {
		e.flush(d)
		d.add(s)
	}
}

// flush sends what there is to every collector. UDP promises nothing, so an error is counted and that is all.
func (e *Exporter) flush(d *datagram) {
	if d.count == 0 {
		return
	}
	packet := d.finish()
	for _, conn := range e.conns {
		conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := conn.Write(packet); err != nil {
			e.failed.Add(1)
		}
	}
	e.datagrams.Add(1)
	e.samples.Add(uint64(d.count))
	d.reset()
}

// Close sends what is still there and returns when that is done. Operations observed later are ignored. The error is nil.
func (e *Exporter) Close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.queue)
		e.armed += never // later calls of Observe need not look
		e.left.Add(never)
	}
	e.mu.Unlock()
	<-e.stopped
	return nil
}

// Counts are what an Exporter did since NewExporter.
type Counts struct {
	Operations uint64 // observed
	Samples    uint64 // sent, in Datagrams
	Drops      uint64 // samples lost for want of room
	Datagrams  uint64
	Failed     uint64 // writes of a datagram to a collector that failed, such as where nobody listens
}

// Counts returns the counts of now; zeros for nil.
func (e *Exporter) Counts() Counts {
	if e == nil {
		return Counts{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return Counts{
		Operations: uint64(e.armed - e.left.Load()),
		Samples:    e.samples.Load(),
		Drops:      uint64(e.drops),
		Datagrams:  e.datagrams.Load(),
		Failed:     e.failed.Load(),
	}
}
