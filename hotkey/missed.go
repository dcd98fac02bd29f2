package hotkey

import "time"

// missList is the verdicts on the keys, or the families, of a trail of misses.
type missList struct {
	trail   *trail
	name    func(m *MissedKey, name string) // gives m the name of a key, or that of a family
	latches map[uint64]*latch               // at most maxMissed, of those that are on or were above

	reported func(func(hash uint64, name string)) // those that eyes have reported
}

func newMissList(t *trail, name func(*MissedKey, string), reported func(func(hash uint64, name string))) *missList {
	return &missList{trail: t, name: name, reported: reported, latches: make(map[uint64]*latch, maxMissed)}
}

// noFamilies: eyes report keys.
func noFamilies(func(hash uint64, name string)) {}

func nameKey(m *MissedKey, name string) { m.Name, m.Template = name, string(appendTemplate(nil, name)) }

func nameFamily(m *MissedKey, name string) { m.Hash, m.Template = 0, name }

func (d *Detector) judgeMisses(now time.Time, elapsed time.Duration) {
	d.judgeMissed(d.missed, now, elapsed)
	d.judgeMissed(d.family, now, elapsed)
}

func (d *Detector) judgeMissed(l *missList, now time.Time, elapsed time.Duration) {
	scale := d.missScale()
	for hash, t := range l.trail.repeated() {
		if m := scale.missed(hash, t); t.seen >= minSeen {
			d.considerMissed(l, &m)
		}
	}
	l.reported(func(hash uint64, name string) {
		d.sink.keepName(hash, name)
		m := scale.missed(hash, l.trail.sum(hash))
		d.heedMissed(&m)
		d.considerMissed(l, &m)
	})
	for hash, latch := range l.latches {
		m := scale.missed(hash, l.trail.sum(hash))
		d.heedMissed(&m)
		if latch.atOnce(m.MissesPerSecond/d.opts.MissesPerSecond, elapsed) && latch.on {
			l.name(&m, d.sink.name(hash))
			d.stream.publish(Event{Kind: Missed, Time: now, Missed: m})
		}
		if latch.idle() {
			d.sink.unpin(hash)
			delete(l.latches, hash)
		}
	}
}

// considerMissed watches m's key if it is missed often enough and there is room.
func (d *Detector) considerMissed(l *missList, m *MissedKey) {
	if m.MissesPerSecond < d.opts.MissesPerSecond || l.latches[m.Hash] != nil {
		return
	}
	if len(l.latches) < maxMissed && d.sink.pin(m.Hash) {
		l.latches[m.Hash] = &latch{}
	}
}
