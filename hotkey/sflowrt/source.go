package sflowrt

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/nohop/memcache/hotkey"
)

// The names of flows and thresholds.
const (
	hotFlow    = "hotkey"
	missedFlow = "missedkey"
)

const (
	maxEvents    = 10  // of one poll
	maxFlows     = 500 // of one look
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 30 * time.Second
	leastCycle   = time.Second // however many events come
)

// Source watches an analyzer for as long as it runs. Its methods are safe for concurrent use.
type Source struct {
	config Config
	rest   rest

	// Owned by Run.
	lastID  int64          // of the events seen
	resumed bool           // the analyzer has not been watched without a break
	shown   map[string]any // how the analyzer shows our definitions, by path
	eye     *hotkey.Eye    // told as well; nil: there is none

	mu     sync.Mutex
	hot    verdict // guarded by mu
	missed verdict // guarded by mu
	status Status  // guarded by mu
}

// Status is how a Source fares. The counts are since New.
type Status struct {
	Connected bool      // the analyzer answered the last time
	Since     time.Time // when Connected became what it is; zero if nothing was tried yet
	Err       error     // why it is not; an analyzer that refuses or talks nonsense makes it a *StatusError or that of JSON
	Looks     uint64    // at the flows
	Events    uint64    // of the analyzer
	Defined   uint64    // times that the flows or thresholds were not there, or not ours: 1 is the start, each more a restart
}

// New returns a source. The error matches ErrBadConfig. Nothing is asked before Run.
func New(c Config) (*Source, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Source{
		config: c,
		rest:   rest{c.URL, c.HTTP},
		lastID: -1,
		shown:  map[string]any{},
		hot:    newVerdict(c.BytesPerSecond),
		missed: newVerdict(c.MissesPerSecond),
	}, nil
}

// Run watches until ctx ends. While the analyzer cannot be asked it tries again after a pause, up to 30 s. Only one call
// of Run or Watch may run at a time.
func (s *Source) Run(ctx context.Context) {
	pause := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		err := s.cycle(ctx)
		if ctx.Err() != nil {
			return
		}
		s.note(err)
		if err == nil {
			pause = firstBackoff
			sleep(ctx, leastCycle-time.Since(began))
			continue
		}
		s.startOver()
		sleep(ctx, pause-rand.N(pause/2+1))
		pause = min(2*pause, maxBackoff)
	}
}

// Name is what the keys that a client learns from this source have as their Origin.
func (s *Source) Name() string { return "sflow-rt" }

// Watch is Run for a client, which it tells what is hot and missed; see memcache.WithHotKeySource.
func (s *Source) Watch(ctx context.Context, eye *hotkey.Eye) {
	s.eye = eye
	s.Run(ctx)
}

// cycle waits for events once, and looks at the flows.
func (s *Source) cycle(ctx context.Context) error {
	if err := s.define(ctx); err != nil {
		return err
	}
	events, err := s.rest.events(ctx, s.lastID, s.config.Interval)
	if err != nil {
		return err
	}
	s.advance(events)
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	hot, err := s.look(ctx, hotFlow, s.config.BytesPerSecond, events)
	if err != nil {
		return err
	}
	missed, err := s.look(ctx, missedFlow, s.config.MissesPerSecond, events)
	if err != nil {
		return err
	}
	for _, e := range s.judge(time.Now(), hot, missed) {
		s.config.OnEvent(e)
	}
	if s.eye != nil {
		s.eye.Report(s.Hot(), s.Missed())
	}
	return nil
}

// define makes sure that the flows and thresholds are there. An analyzer that has lost them has been restarted, and its
// events begin anew.
func (s *Source) define(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	changed := 0
	if err := errors.Join(
		ensure(ctx, s, "/flow/"+hotFlow+"/json", hotDefinition, &changed),
		ensure(ctx, s, "/flow/"+missedFlow+"/json", missedDefinition, &changed),
		ensure(ctx, s, "/threshold/"+hotFlow+"/json", threshold{hotFlow, s.config.BytesPerSecond}, &changed),
		ensure(ctx, s, "/threshold/"+missedFlow+"/json", threshold{missedFlow, s.config.MissesPerSecond}, &changed),
	); err != nil {
		return err
	}
	if changed > 0 {
		s.startOver()
		s.mu.Lock()
		s.status.Defined++
		s.mu.Unlock()
	}
	return nil
}

// startOver forgets which events were seen, and that keys were cooling down: nobody has watched them.
func (s *Source) startOver() { s.lastID, s.resumed = -1, true }

// The flows: reference.php, "Defining Flows".
var (
	hotDefinition    = flow{Keys: "memcachekey", Value: "bytes"}
	missedDefinition = flow{Keys: "memcachekey", Value: "requests", Filter: "memcachestatus=NOT_FOUND"}
)

// ensure puts want at path unless it is there, and counts it if it did. An analyzer may show a definition in words of its
// own: what it shows just after it took ours counts as ours.
func ensure[T comparable](ctx context.Context, s *Source, path string, want T, changed *int) error {
	have, err := defined[T](ctx, s.rest, path)
	if err != nil || have == want || have == s.shown[path] {
		return err
	}
	if err := s.rest.put(ctx, path, want); err != nil {
		return err
	}
	*changed++
	if have, err = defined[T](ctx, s.rest, path); err == nil && have != *new(T) {
		s.shown[path] = have
	}
	return err
}

// defined is what stands at path; the zero value if nothing does.
func defined[T any](ctx context.Context, r rest, path string) (have T, err error) {
	err = r.get(ctx, path, &have)
	if isNotFound(err) {
		err = nil
	}
	return have, err
}

func isNotFound(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Status == http.StatusNotFound
}

// advance remembers which events were seen. Numbers below the last one are those of an analyzer that counts anew.
func (s *Source) advance(events []event) {
	if len(events) == 0 {
		return
	}
	s.lastID = events[0].ID
	for _, e := range events {
		s.lastID = max(s.lastID, e.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Events += uint64(len(events))
}

// look returns the rates of keys that are at least a quarter of the threshold: over all agents, or at one that an event
// is about, whichever is more.
func (s *Source) look(ctx context.Context, name string, threshold float64, events []event) (map[string]float64, error) {
	flows, err := s.rest.activeFlows(ctx, name, threshold*low)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range events {
		source := e.Agent + " " + string(e.DataSource)
		if e.Metric != name || seen[source] {
			continue
		}
		seen[source] = true
		top, err := s.rest.topKeys(ctx, e)
		if err != nil && !isNotFound(err) { // an agent may be gone by now
			return nil, err
		}
		flows = append(flows, top...)
	}
	rates := map[string]float64{}
	for _, f := range flows {
		rates[f.Key] = max(rates[f.Key], f.Value)
	}
	return rates, nil
}

// judge returns what has begun and what has ended.
func (s *Source) judge(now time.Time, hot, missed map[string]float64) (events []hotkey.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Looks++
	if s.resumed {
		s.hot.resume(now)
		s.missed.resume(now)
		s.resumed = false
	}
	began, ended := s.hot.update(now, hot)
	for _, k := range began {
		events = append(events, hotkey.Event{Kind: hotkey.HotStart, Time: now, Key: hotKey(k)})
	}
	for _, k := range ended {
		events = append(events, hotkey.Event{Kind: hotkey.HotEnd, Time: now, Key: hotKey(k)})
	}
	began, _ = s.missed.update(now, missed)
	for _, k := range began {
		events = append(events, hotkey.Event{Kind: hotkey.Missed, Time: now, Missed: missedKey(k)})
	}
	return events
}

// Hot returns the keys that are hot, hottest first. Of each, Name, Hash, BytesPerSecond and Since are known.
func (s *Source) Hot() (keys []hotkey.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.hot.list() {
		keys = append(keys, hotKey(k))
	}
	return keys
}

// Missed returns the keys that are missed, most missed first. Of each, Name, Hash and MissesPerSecond are known.
func (s *Source) Missed() (keys []hotkey.MissedKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.missed.list() {
		keys = append(keys, missedKey(k))
	}
	return keys
}

func hotKey(k judged) hotkey.Key {
	return hotkey.Key{Name: k.key, Hash: xxhash.Sum64String(k.key), BytesPerSecond: k.rate, Since: k.since}
}

func missedKey(k judged) hotkey.MissedKey {
	return hotkey.MissedKey{Name: k.key, Hash: xxhash.Sum64String(k.key), MissesPerSecond: k.rate}
}

// Status returns the status of now.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func (s *Source) note(err error) {
	if s.eye != nil {
		s.eye.SetStatus(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if connected := err == nil; connected != s.status.Connected || s.status.Since.IsZero() {
		s.status.Connected, s.status.Since = connected, time.Now()
	}
	s.status.Err = err
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
