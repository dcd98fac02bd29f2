package hotkey

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// Key is what is known of a key over the trailing second.
type Key struct {
	Name           string // the key itself
	Hash           uint64
	Share          float64   // of the cost of all ops, 0 to 1
	OpsPerSecond   float64   // estimate
	BytesPerSecond float64   // estimate; keys, values and about 60 bytes per op
	WriteShare     float64   // of its ops, 0 to 1
	MissShare      float64   // of its ops, 0 to 1: reads that did not find it
	ItemSize       int       // mean size of the key with its value, in bytes
	Sampled        int       // ops sampled, n: one standard deviation of the estimates is about 1/sqrt(n)
	Since          time.Time // when it became hot; zero if it is not
	FleetShare     float64   // as Share, of all processes; 0: not known, see SetFleetShares
	Origin         string    // the eyes that have seen it, see Eye, joined by commas; "": nobody but the detector's own samplers

	eyes     eyeSet
	reported float64 // bytes per second that an eye has told of; 0: none has
}

// MissedKey is what is known of a key that is read and not there, or of a family of such keys, over the trailing second.
type MissedKey struct {
	Name            string // the key itself; "" if it is a family
	Hash            uint64 // of the key
	Template        string // the family: the key with its numbers and ids replaced by '#'
	MissesPerSecond float64
	Sampled         int     // misses sampled; up to 512 misses per second, all are
	HitRatio        float64 // of its reads, 0 to 1
	ReadsSampled    int     // that HitRatio rests on; 0: not known
	Origin          string  // as in Key

	eyes eyeSet
}

// scale turns sums over samples into shares and rates.
type scale struct {
	sampled tally
	exact   totals
	seconds float64
	base    int // cost of an op beside its bytes
}

func (t *trail) scale(base int) scale {
	sampled, exact, span := t.all()
	return scale{sampled, exact, span.Seconds(), base}
}

// rate is the part of the exact total that the sampled part of the sampled total says.
func (s *scale) rate(part, of, exact float64) float64 {
	if of == 0 || s.seconds == 0 {
		return 0
	}
	return part / of * exact / s.seconds
}

// key makes a Key, without its name.
func (s *scale) key(hash uint64, t tally) Key {
	exactBytes := float64(s.exact.cost) - float64(s.exact.ops)*float64(s.base)
	return Key{
		Hash:           hash,
		Share:          ratio(t.cost, s.sampled.cost),
		OpsPerSecond:   s.rate(t.ops, s.sampled.ops, float64(s.exact.ops)),
		BytesPerSecond: s.rate(t.bytes(s.base), s.sampled.bytes(s.base), exactBytes),
		WriteShare:     min(1, ratio(t.writes, t.ops)),
		MissShare:      min(1, ratio(t.misses, t.ops)),
		ItemSize:       max(0, int(math.Round(ratio(t.bytes(s.base), t.ops)))-framing),
		Sampled:        t.seen,
		eyes:           t.eyes,
	}
}

func ratio(part, of float64) float64 {
	if of == 0 {
		return 0
	}
	return part / of
}

// Top returns the n hottest keys of the trailing second, hottest first, hot or not. There may be fewer: keys that were
// sampled only here and there are not known.
func (d *Detector) Top(n int) []Key {
	d.mu.Lock()
	defer d.mu.Unlock()
	scale := d.sink.ops.scale(d.opts.RequestCost)
	var keys []Key
	for hash, t := range d.known(d.sink.ops, d.reportedKeys) {
		keys = append(keys, d.judged(&scale, hash, t))
	}
	all := scale.rate(1, 1, float64(scale.exact.cost))
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(b.heat(all), a.heat(all)), cmp.Compare(a.Hash, b.Hash))
	})
	keys = d.named(keys, n)
	for i := range keys {
		if w := d.watched.find(keys[i].Hash); w != nil {
			keys[i].Since = w.since
		}
		keys[i].FleetShare = d.fleet[keys[i].Hash]
	}
	return keys
}

// heat is a key's share of the cost of all ops, or what it would be if this process moved what eyes have told of.
func (k *Key) heat(all float64) float64 {
	if k.reported == 0 {
		return k.Share
	}
	return max(k.Share, k.reported/max(all, 1))
}

// judged makes a Key, without its name, of what samplers and eyes say.
func (d *Detector) judged(s *scale, hash uint64, t tally) Key {
	k := s.key(hash, t)
	d.heed(&k)
	return k
}

// known returns the keys of a trail that were sampled repeatedly, and those that eyes have reported.
func (d *Detector) known(t *trail, reported func(func(hash uint64, name string))) map[uint64]tally {
	keys := maps.Collect(t.repeated())
	reported(func(hash uint64, name string) {
		if _, ok := keys[hash]; !ok {
			keys[hash] = t.sum(hash)
		}
	})
	return keys
}

// named gives the first n keys that have a name theirs.
func (d *Detector) named(keys []Key, n int) []Key {
	kept := keys[:0]
	for _, k := range keys {
		if len(kept) >= n {
			break
		}
		if k.Name = d.sink.name(k.Hash); k.Name != "" {
			kept = append(kept, k)
		}
	}
	return kept
}

// Missed returns the n keys that were missed most in the trailing second, most first.
func (d *Detector) Missed(n int) []MissedKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.topMissed(d.missed, n)
}

// MissedTemplates returns the n families of keys that were missed most in the trailing second, most first. A key without
// a number or an id in it belongs to no family.
func (d *Detector) MissedTemplates(n int) []MissedKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.topMissed(d.family, n)
}

func (d *Detector) topMissed(l *missList, n int) []MissedKey {
	scale := d.missScale()
	var list []MissedKey
	for hash, t := range d.known(l.trail, l.reported) {
		m := scale.missed(hash, t)
		d.heedMissed(&m)
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b MissedKey) int {
		return cmp.Or(cmp.Compare(b.MissesPerSecond, a.MissesPerSecond), cmp.Compare(a.Hash, b.Hash))
	})
	kept := list[:0]
	for _, m := range list {
		if len(kept) >= n {
			break
		}
		if name := d.sink.name(m.Hash); name != "" {
			l.name(&m, name)
			kept = append(kept, m)
		}
	}
	return kept
}

// missScale is that of misses, whose exact totals are with the ops.
func (d *Detector) missScale() scale {
	sampled, _, span := d.sink.misses.all()
	_, exact, _ := d.sink.ops.all()
	return scale{sampled: sampled, exact: exact, seconds: span.Seconds()}
}

// missed makes a MissedKey, without its name.
func (s *scale) missed(hash uint64, t tally) MissedKey {
	m := MissedKey{
		Hash:            hash,
		MissesPerSecond: s.rate(t.cost, s.sampled.cost, float64(s.exact.misses)),
		Sampled:         t.seen,
		ReadsSampled:    int(t.writes), // see sink.noteRead
		eyes:            t.eyes,
	}
	if m.ReadsSampled > 0 {
		m.HitRatio = min(1, max(0, 1-ratio(t.misses, t.ops)))
	}
	return m
}

// Stats are counts over the trailing second and the state of the samplers.
type Stats struct {
	OpsPerSecond    float64 // exact, but for the last few of each sampler
	BytesPerSecond  float64 // as Key.BytesPerSecond
	CostPerSecond   float64 // what the shares of keys are of: bytes, and RequestCost for each op
	MissesPerSecond float64
	Samples         int    // of ops in the trailing second
	SampleCost      int64  // cost that a sample stands for now: bytes and RequestCost
	Acting          int    // keys that are acted on
	Hot             int    // keys reported as hot
	Refused         uint64 // times that a key was not kept by name: no room, or no valid key; since New
	EventsDropped   uint64 // for all subscribers, since New
}

// Stats returns the counts of now.
func (d *Detector) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	scale := d.sink.ops.scale(d.opts.RequestCost)
	all := scale.key(0, scale.sampled)
	st := Stats{
		OpsPerSecond:   all.OpsPerSecond,
		BytesPerSecond: all.BytesPerSecond,
		Samples:        scale.sampled.seen,
		SampleCost:     d.costMean.Load(),
		EventsDropped:  d.stream.dropped.Load(),
	}
	if scale.seconds > 0 {
		st.CostPerSecond = float64(scale.exact.cost) / scale.seconds
		st.MissesPerSecond = float64(scale.exact.misses) / scale.seconds
	}
	st.Acting, st.Hot = d.watched.counts()
	d.sink.mu.Lock()
	defer d.sink.mu.Unlock()
	st.Refused = d.sink.names.refused
	return st
}
