package hotkey

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Budgets of samples per second and detector. Above them the samplers skip more; so the processor time of detection is
// bounded at any rate of ops.
const (
	samplesPerSecond = 4096
	missesPerSecond  = 512
	minGap           = 16 // ops per sample, however few there are
)

// Detector finds the hot and the missed keys among the ops that its samplers see. It is safe for concurrent use; the
// samplers are not, see Sampler. It starts no goroutine: its owner calls Tick, or leaves that to Run.
type Detector struct {
	opts     Options
	sink     *sink
	samplers atomic.Uint64 // seeds handed out
	costMean atomic.Int64  // cost that a sample stands for
	missMean atomic.Int64  // misses that a sample stands for
	stream   stream

	mu      sync.Mutex // guards what follows, and the frozen windows of sink
	nodes   int
	last    time.Time     // Tick
	span    time.Duration // of the windows being filled, up to last
	watched *watchlist    // hot keys
	missed  *missList     // missed keys
	family  *missList     // families of missed keys
	fleet   map[uint64]float64
	eyes    []*Eye
}

// New returns a detector. The error matches ErrBadOptions.
func New(o Options) (*Detector, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := newSink()
	d := &Detector{opts: o, nodes: o.Nodes, sink: s, watched: newWatchlist()}
	d.missed, d.family = newMissList(s.misses, nameKey, d.reportedMissed), newMissList(s.templates, nameFamily, noFamilies)
	d.costMean.Store(minGap * int64(o.RequestCost+framing))
	d.missMean.Store(1)
	return d, nil
}

// NewSampler returns a sampler that reports to d, about 200 bytes.
func (d *Detector) NewSampler() *Sampler {
	s := &Sampler{d: d, fixed: int64(d.opts.RequestCost) + framing}
	seed := d.opts.seed + 2*d.samplers.Add(1)
	s.cost.start(d.costMean.Load(), mix(seed))
	s.misses.start(d.missMean.Load(), mix(seed+1))
	s.left = s.cost.left
	return s
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// SetNodes says over how many nodes keys are spread: a key is acted on from a tenth of a node's fair share. Below 1 means 1.
func (d *Detector) SetNodes(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes = max(1, n)
}

// Run calls Tick every TickInterval until ctx ends.
func (d *Detector) Run(ctx context.Context) {
	ticker := time.NewTicker(TickInterval)
	defer ticker.Stop()
	d.Tick(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			d.Tick(now)
		}
	}
}

// Tick ends the current window, judges the trailing four, and publishes what changed. Call it every TickInterval. A late
// call makes a longer window, in which nothing is lost; one that comes within half an interval of the last is put off to
// the next; a clock that goes back is taken to have stood still.
func (d *Detector) Tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() {
		d.last = now
		return
	}
	d.span += max(0, now.Sub(d.last))
	d.last = now
	if d.span < TickInterval/2 {
		return
	}
	elapsed := d.span
	d.span = 0
	d.sink.freeze(elapsed)
	d.adapt()
	d.judge(now, elapsed)
	d.judgeMisses(now, elapsed)
}

// adapt chooses the means with which the samplers go on, so that the last window would have met its budget of samples.
func (d *Detector) adapt() {
	w := d.sink.ops.frozen[0]
	seconds := w.span.Seconds()
	d.missMean.Store(max(1, int64(math.Ceil(float64(w.totals.misses)/seconds/missesPerSecond))))
	if w.totals.ops == 0 {
		return
	}
	perOp := w.totals.cost / w.totals.ops
	d.costMean.Store(max(minGap*perOp, int64(float64(w.totals.cost)/seconds/samplesPerSecond)))
}

// slowMisses answers a burst of misses before the next tick. Two at a time may double the mean once; the next doubles it
// again.
func (d *Detector) slowMisses() { d.missMean.Store(min(2*d.missMean.Load(), 1<<32)) }

// Close ends all loops over Events. Samplers and the other methods can still be called.
func (d *Detector) Close() { d.stream.close() }
