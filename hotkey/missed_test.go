package hotkey

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Below the budget every miss is counted: a misspelt key and a family of keys stand out, exactly.
func TestMissedKeys(t *testing.T) {
	l := newLab(t, Options{Share: 1, BytesPerSecond: -1, seed: 1}, 10_000)
	i := 0
	l.run(3*time.Second, func() {
		i++
		switch {
		case i%250 == 0: // 40 per second
			l.sampler.Miss("session.uesr_id", 1)
		case i%100 == 1: // 100 per second, each another key
			l.sampler.Miss("user:"+keyName(i), keyHash(i))
		case i%1000 == 2: // 10 per second
			l.sampler.Miss("rare", 2)
		default:
			l.sampler.Read("there", 3, 100)
		}
	})
	events := l.happened()
	require.Equal(t, []EventKind{Missed, Missed}, kinds(events))
	var names []string
	for _, e := range events {
		names = append(names, e.Missed.Name+"|"+e.Missed.Template)
	}
	require.ElementsMatch(t, []string{"session.uesr_id|session.uesr_id", "|user:key:#"}, names)

	top := l.Missed(5)
	require.Len(t, top, 2, "the keys of the family were missed once each")
	require.Equal(t, "session.uesr_id", top[0].Name)
	require.InDelta(t, 40, top[0].MissesPerSecond, 1e-9)
	require.Equal(t, 40, top[0].Sampled)
	require.InDelta(t, 10, top[1].MissesPerSecond, 1e-9)
	families := l.MissedTemplates(1)
	require.Equal(t, "user:key:#", families[0].Template)
	require.InDelta(t, 100, families[0].MissesPerSecond, 1e-9)
	require.InDelta(t, 150, l.Stats().MissesPerSecond, 1e-9)
}

// The hit ratio of a key tells one that is never there from one that often is.
func TestHitRatio(t *testing.T) {
	l := newLab(t, Options{Share: 1, BytesPerSecond: -1, seed: 1}, labRate)
	rng := rand.New(rand.NewPCG(1, 1))
	l.run(3*time.Second, func() {
		switch n := rng.IntN(1000); {
		case n < 10:
			l.sampler.Miss("never:1", 1)
		case n < 20:
			l.sampler.Miss("often:1", 2)
		case n < 60:
			l.sampler.Read("often:1", 2, 100)
		case n < 100:
			l.sampler.Write("often:1", 2, 100)
		default:
			l.sampler.Read("there", 3, 100)
		}
	})
	want := map[string]float64{"never:1": 0, "often:1": 0.8, "never:#": 0, "often:#": 0.8}
	top := l.Missed(5)
	require.Len(t, top, 2)
	families := l.MissedTemplates(5)
	require.Len(t, families, 2)
	for _, m := range append(top, families...) {
		name := m.Name
		if name == "" {
			name = m.Template
		}
		require.Positive(t, m.ReadsSampled)
		require.InDelta(t, want[name], m.HitRatio, 0.08, name)
		require.InEpsilon(t, 800, m.MissesPerSecond, 0.25, name)
	}
}

// A storm of misses is sampled: estimates stay right, and the work bounded from the first window on.
func TestMissStorm(t *testing.T) {
	l := newLab(t, Options{BytesPerSecond: -1, Share: 1, seed: 1}, 200_000)
	rng := rand.New(rand.NewPCG(1, 1))
	storm := func() {
		if rng.IntN(4) == 0 {
			l.sampler.Miss("hot:miss", 1)
			return
		}
		l.sampler.Miss("x", rng.Uint64())
	}
	l.run(TickInterval, storm)
	require.Less(t, l.sink.misses.frozen[0].sampled.seen, 4000, "of 50,000")
	l.run(2*time.Second, storm)
	require.InDelta(t, missesPerSecond, l.sink.misses.frozen[0].sampled.seen*4, 200)
	top := l.Missed(1)
	require.Equal(t, "hot:miss", top[0].Name)
	require.InEpsilon(t, 50_000, top[0].MissesPerSecond, 0.25)
	require.InEpsilon(t, 200_000, l.Stats().MissesPerSecond, 0.01)
}

// A key is reported again after it has been there for half a minute.
func TestMissedAgain(t *testing.T) {
	l := newLab(t, Options{BytesPerSecond: -1, Share: 1, seed: 1}, 1000)
	i := 0
	missed := func() (n int) {
		for _, e := range l.happened() {
			if e.Kind == Missed {
				n++
			}
		}
		return n
	}
	missing := func() {
		if i++; i%10 == 0 {
			l.sampler.Miss("k:1", 1)
		}
	}
	l.run(2*time.Second, missing)
	require.Equal(t, 2, missed(), "the key and its family")
	l.run(20*time.Second, func() {})
	l.run(20*time.Second, missing)
	require.Zero(t, missed())
	l.run(40*time.Second, func() {})
	require.Empty(t, l.missed.latches)
	l.run(2*time.Second, missing)
	require.Equal(t, 2, missed())
}
