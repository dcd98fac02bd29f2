package hotkey

import (
	"math"
	"time"
)

// Hysteresis: what is on goes off when it has been below a quarter of its threshold for half a minute.
const (
	coldLevel = 0.25
	coldTime  = 30 * time.Second
)

// latch is a verdict with hysteresis. level is in units of the threshold; elapsed is the time since the last tick.
type latch struct {
	on    bool
	above bool          // at the last tick
	cold  time.Duration // for how long it has been below coldLevel
}

// atOnce goes on as soon as level reaches 1.
func (l *latch) atOnce(level float64, elapsed time.Duration) (changed bool) {
	return l.update(level >= 1, level, elapsed)
}

// confirmed goes on when level reaches 1 at two ticks in a row, or 2 at one. level was estimated from n samples and must
// pass by a third of its standard deviation; without that, a key at half the threshold would be on once in ten hours.
func (l *latch) confirmed(level float64, n int, elapsed time.Duration) (changed bool) {
	sure := level / (1 + 1/(3*math.Sqrt(float64(max(1, n)))))
	above := sure >= 1
	twice := above && l.above
	l.above = above
	return l.update(twice || sure >= 2, level, elapsed)
}

func (l *latch) update(goesOn bool, level float64, elapsed time.Duration) (changed bool) {
	switch {
	case !l.on:
		l.on, l.cold = goesOn, 0
		return l.on
	case level >= coldLevel:
		l.cold = 0
		return false
	}
	l.cold += elapsed
	l.on = l.cold < coldTime
	return !l.on
}

// idle reports whether nothing would be lost by forgetting it.
func (l *latch) idle() bool { return !l.on && !l.above }

// nodeShare is the part of a node's fair share from which a key is acted on.
const nodeShare = 0.1

// actShare is the share of the cost of all ops from which a key is acted on.
func (d *Detector) actShare() float64 { return nodeShare / float64(d.nodes) }

// levels are the two levels of a key: to act on it, and to report it.
func (d *Detector) levels(k *Key) (act, report float64) {
	act, report = k.Share/d.actShare(), max(k.Share/d.opts.Share, k.BytesPerSecond/d.opts.BytesPerSecond)
	if k.Sampled < minSeen { // too few to begin with
		act, report = min(act, 0.99), min(report, 0.99)
	}
	told := k.reported / d.opts.BytesPerSecond // of what share of the load, an eye does not say
	return max(act, told), max(report, told)
}

// certainty is the number of samples that the level of k rests on.
func (k *Key) certainty() int {
	if k.reported > 0 {
		return math.MaxInt32 // whoever reports it has judged that
	}
	return k.Sampled
}

// judge puts keys under watch and takes the verdicts on all that are.
func (d *Detector) judge(now time.Time, elapsed time.Duration) {
	scale := d.sink.ops.scale(d.opts.RequestCost)
	for hash, t := range d.sink.ops.repeated() {
		if t.seen >= minSeen && d.watched.find(hash) == nil {
			d.consider(scale.key(hash, t))
		}
	}
	d.reportedKeys(func(hash uint64, name string) {
		d.sink.keepName(hash, name)
		if d.watched.find(hash) == nil {
			d.consider(d.judged(&scale, hash, d.sink.ops.sum(hash)))
		}
	})
	for w := range d.watched.all() {
		d.update(w, d.judged(&scale, w.hash, d.sink.ops.sum(w.hash)), now, elapsed)
	}
}

// consider watches k if a level of it reaches 1, at the cost of the coolest key if there is no room.
func (d *Detector) consider(k Key) {
	if act, report := d.levels(&k); act < 1 && report < 1 {
		return
	}
	if d.watched.full() {
		coolest := d.watched.coolest()
		if coolest == nil || coolest.share > k.Share/2 {
			return
		}
		d.forget(coolest)
	}
	if d.sink.pin(k.Hash) {
		d.watched.insert(k.Hash).share = k.Share // or it would be the coolest of all
	}
}

func (d *Detector) update(w *watch, k Key, now time.Time, elapsed time.Duration) {
	w.learn(&k)
	act, report := d.levels(&k)
	w.act.atOnce(act, elapsed)
	if w.report.confirmed(report, k.certainty(), elapsed) {
		d.reportHot(w, k, now)
	}
	if w.act.idle() && w.report.idle() {
		d.forget(w)
	}
}

func (d *Detector) reportHot(w *watch, k Key, now time.Time) {
	kind := HotEnd
	if w.report.on {
		kind = HotStart
		w.since = now
	}
	k.Name, k.Since, k.Origin = d.sink.name(k.Hash), w.since, d.origin(w.eyes)
	d.stream.publish(Event{Kind: kind, Time: now, Key: k})
	if !w.report.on {
		w.since = time.Time{}
	}
}

func (d *Detector) forget(w *watch) {
	d.sink.unpin(w.hash)
	d.watched.remove(w)
}
