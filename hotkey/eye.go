package hotkey

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// MaxEyes is how many eyes a detector may have.
const MaxEyes = 8

// maxReported is how many keys of an eye's report are looked at, and how many missed ones.
const maxReported = 128

// Eye takes in what somebody else sees of the keys: a node's log, an analyzer. What it is told is judged as the ops of the
// detector's own samplers are, and Key.Origin says that it was the eye. Who sees single ops gives them to a sampler of the
// eye's; who is told rates gives those to Report. It is safe for concurrent use; its samplers are not.
type Eye struct {
	detector *Detector
	config   EyeConfig
	bit      eyeSet

	// Guarded by Detector.mu.
	keys   map[uint64]Key // as reported, by hash
	missed map[uint64]MissedKey
	err    error     // why it is blind; nil if it is not
	sees   bool      // neither blind nor about to begin
	since  time.Time // that it does not see
	failed uint64
}

// EyeConfig is what an Eye is made of. Only Name is required.
type EyeConfig struct {
	Name     string                    // what Key.Origin calls it: at most 32 letters, such as "fetchers"
	Nodes    func() []string           // the addresses of the nodes of now, for eyes that look at nodes
	Ours     func(netip.AddrPort) bool // whether the detector's own samplers see the ops of the client with that address
	OnStatus func(error)               // told when the eye goes blind, and why, and with nil when it sees again
}

// eyeSet is a set of eyes, a bit each.
type eyeSet uint8

// NewEye returns one more eye. The error matches ErrBadOptions: no name, or a detector with MaxEyes or with one of that name.
func (d *Detector) NewEye(c EyeConfig) (*Eye, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Name == "" || len(c.Name) > 32 {
		return nil, fmt.Errorf("%w: the name of an eye is %q", ErrBadOptions, c.Name)
	}
	for _, e := range d.eyes {
		if e.config.Name == c.Name {
			return nil, fmt.Errorf("%w: two eyes with the name %q", ErrBadOptions, c.Name)
		}
	}
	if len(d.eyes) == MaxEyes {
		return nil, fmt.Errorf("%w: more than %d eyes", ErrBadOptions, MaxEyes)
	}
	e := &Eye{detector: d, config: c, bit: 1 << len(d.eyes), since: time.Now()}
	d.eyes = append(d.eyes, e)
	return e, nil
}

// NewSampler returns a sampler for single ops that the eye sees; see Sampler.
func (e *Eye) NewSampler() *Sampler {
	s := e.detector.NewSampler()
	s.eye = e.bit
	return s
}

// Report says which keys the eye takes for hot, and which for missed, most first, in place of what it said before: up to 128
// each are looked at. Of a Key, Name and BytesPerSecond count, and ItemSize if it is known; of a MissedKey, Name and
// MissesPerSecond. A key is judged by what is more, its report or what the samplers see of it.
func (e *Eye) Report(keys []Key, missed []MissedKey) {
	hot, gone := map[uint64]Key{}, map[uint64]MissedKey{}
	for _, k := range keys[:min(len(keys), maxReported)] {
		hash := xxhash.Sum64String(k.Name)
		bytes, size := credible(k.BytesPerSecond), min(k.ItemSize, maxItemSize)
		hot[hash] = Key{Name: k.Name, Hash: hash, BytesPerSecond: bytes, ItemSize: size}
	}
	for _, m := range missed[:min(len(missed), maxReported)] {
		hash := xxhash.Sum64String(m.Name)
		gone[hash] = MissedKey{Name: m.Name, Hash: hash, MissesPerSecond: credible(m.MissesPerSecond)}
	}
	d := e.detector
	d.mu.Lock()
	defer d.mu.Unlock()
	e.keys, e.missed = hot, gone
}

// What an eye may say: more would not be a number any more after some arithmetic.
const (
	maxRate     = 1e18
	maxItemSize = 1 << 30
)

// credible returns a rate that somebody else has told, between 0 and maxRate.
func credible(rate float64) float64 {
	if !(rate > 0) {
		return 0
	}
	return min(rate, maxRate)
}

// Nodes returns the addresses of the nodes of now; none if nobody knows them.
func (e *Eye) Nodes() []string {
	if e.config.Nodes == nil {
		return nil
	}
	return e.config.Nodes()
}

// Ours reports whether the detector sees the ops of the client with that address by itself, so that the eye must not count
// them once more.
func (e *Eye) Ours(client netip.AddrPort) bool { return e.config.Ours != nil && e.config.Ours(client) }

// SetStatus says that the eye sees all that it should (nil), or why it does not. What it has reported stays as it is.
func (e *Eye) SetStatus(err error) {
	if e.change(err) && e.config.OnStatus != nil {
		e.config.OnStatus(err)
	}
}

// change reports whether somebody should know of it: that an eye has begun to see is no news.
func (e *Eye) change(err error) (news bool) {
	d := e.detector
	d.mu.Lock()
	defer d.mu.Unlock()
	wasBlind, isBlind := e.err != nil, err != nil
	if isBlind && e.sees {
		e.since = time.Now()
	}
	if isBlind && !wasBlind {
		e.failed++
	}
	e.err, e.sees = err, !isBlind
	return isBlind != wasBlind
}

// EyeStatus is how an Eye fares.
type EyeStatus struct {
	Name     string
	Err      error         // why it does not see what it should; nil if it does, or has not begun
	Age      time.Duration // how long it has not seen it; 0 if it does
	Failures uint64        // times that it has failed
}

// Eyes returns how the eyes fare, in the order in which they were made.
func (d *Detector) Eyes() (list []EyeStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.eyes {
		s := EyeStatus{Name: e.config.Name, Err: e.err, Failures: e.failed}
		if !e.sees {
			s.Age = time.Since(e.since)
		}
		list = append(list, s)
	}
	return list
}

// origin names the eyes of a set; "" if there are none.
func (d *Detector) origin(set eyeSet) string {
	if set == 0 {
		return ""
	}
	var names []string
	for _, e := range d.eyes {
		if set&e.bit != 0 {
			names = append(names, e.config.Name)
		}
	}
	return strings.Join(names, ", ")
}

// heed adds to k what eyes have reported of its key.
func (d *Detector) heed(k *Key) {
	for _, e := range d.eyes {
		r, ok := e.keys[k.Hash]
		if !ok {
			continue
		}
		k.eyes |= e.bit
		k.reported = max(k.reported, r.BytesPerSecond)
		k.BytesPerSecond = max(k.BytesPerSecond, r.BytesPerSecond)
		if k.Sampled == 0 {
			k.ItemSize = max(k.ItemSize, r.ItemSize)
		}
	}
	k.Origin = d.origin(k.eyes)
}

// heedMissed is heed for a key that is missed.
func (d *Detector) heedMissed(m *MissedKey) {
	for _, e := range d.eyes {
		if r, ok := e.missed[m.Hash]; ok {
			m.eyes |= e.bit
			m.MissesPerSecond = max(m.MissesPerSecond, r.MissesPerSecond)
		}
	}
	m.Origin = d.origin(m.eyes)
}

// reportedKeys calls f with each key that an eye has reported, once for each eye.
func (d *Detector) reportedKeys(f func(hash uint64, name string)) {
	for _, e := range d.eyes {
		for hash, k := range e.keys {
			f(hash, k.Name)
		}
	}
}

func (d *Detector) reportedMissed(f func(hash uint64, name string)) {
	for _, e := range d.eyes {
		for hash, m := range e.missed {
			f(hash, m.Name)
		}
	}
}
