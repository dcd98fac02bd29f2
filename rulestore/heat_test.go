package rulestore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
)

// process is one of a fleet: a detector that sees ops, and its heat.
type process struct {
	*hotkey.Detector
	*Heat
	sampler *hotkey.Sampler
	now     time.Time
	fails   []error
}

func newProcess(t *testing.T, order Order, start time.Time) *process {
	d, err := hotkey.New(hotkey.Options{Nodes: 10})
	require.NoError(t, err)
	p := &process{Detector: d, sampler: d.NewSampler(), now: start}
	p.Heat, err = NewHeat(HeatConfig{Order: order, Detector: d, OnError: func(err error) { p.fails = append(p.fails, err) }})
	require.NoError(t, err)
	d.Tick(start)
	return p
}

// serve lets a second pass, in which so many ops were made, and so many parts of a hundred of them on key.
func (p *process) serve(key string, percent, ops int) {
	const ticks = int(time.Second / hotkey.TickInterval)
	hash := xxhash.Sum64String(key)
	for range ticks {
		for i := range ops / ticks {
			if i%100 < percent {
				p.sampler.Read(key, hash, 1000)
			} else {
				p.sampler.Read("cold", hash+1+uint64(i), 1000)
			}
		}
		p.now = p.now.Add(hotkey.TickInterval)
		p.Detector.Tick(p.now)
	}
}

// shareOf returns what the detector knows of a key's share of the fleet, 0 if nothing.
func (p *process) shareOf(key string) float64 {
	for _, k := range p.Top(100) {
		if k.Name == key {
			return k.FleetShare
		}
	}
	return 0
}

// One process sees a key as half of its load, a larger one as a twentieth; both come to know about what it is of the fleet.
func TestHeatOnRealNodes(t *testing.T) {
	s := realServers(t, 3)
	start := time.Now().Truncate(heatWindow)
	a, b := newProcess(t, s.spread, start), newProcess(t, s.spread, start.Add(300*time.Millisecond))
	for second := range 6 {
		a.serve("hot", 50, 20_000)
		require.NoError(t, a.Round(t.Context(), a.now))
		b.serve("hot", 5, 60_000)
		require.NoError(t, b.Round(t.Context(), b.now))
		if second == 0 { // the first rounds are in the second half of a window, and a's came before b's
			require.InDelta(t, 0.5, a.shareOf("hot"), 0.08)
		}
	}
	// a's last reply of a second half had b's cost of one second in it, b's had that of two seconds of both.
	require.InEpsilon(t, (2*0.5*20+0.05*60)/(2*20+60), a.shareOf("hot"), 0.2)
	require.InEpsilon(t, (0.5*20+0.05*60)/(20+60), b.shareOf("hot"), 0.2)

	names := map[string]bool{}
	for i := range s.nodes {
		for _, c := range []string{totalKey(windowOf(a.now)), heatKey(windowOf(a.now), xxhash.Sum64String("hot"))} {
			names[c] = names[c] || s.get(t, i, c) != ""
		}
	}
	require.Len(t, names, 2)
	for name, there := range names {
		require.True(t, there, name)
	}
}

func windowOf(now time.Time) int64 { return now.UnixNano() / int64(heatWindow) }

// What was learnt in a window counts until the middle of the next, and not for ever.
func TestHeatIsForgotten(t *testing.T) {
	s := realServers(t, 1)
	p := newProcess(t, s.order, time.Now().Truncate(heatWindow))
	p.serve("hot", 50, 10_000)
	require.NoError(t, p.Round(t.Context(), p.now)) // second half
	require.InDelta(t, 0.5, p.shareOf("hot"), 0.1)
	p.serve("hot", 50, 10_000)
	require.NoError(t, p.Round(t.Context(), p.now)) // first half of the next
	require.InDelta(t, 0.5, p.shareOf("hot"), 0.1)
	s.reals[0].Kill()
	p.serve("hot", 50, 10_000)
	require.Error(t, p.Round(t.Context(), p.now))
	p.serve("hot", 50, 10_000)
	require.Error(t, p.Round(t.Context(), p.now))
	require.Zero(t, p.shareOf("hot"), "the process goes by what it sees")
}

func TestHeatOfAnIdleProcess(t *testing.T) {
	p := newProcess(t, func(string, int) []Node { panic("asked") }, time.Now())
	require.NoError(t, p.Round(t.Context(), time.Now()))
	p.Heat.cfg.Order = func(string, int) []Node { return nil }
	p.serve("hot", 50, 10_000)
	require.ErrorIs(t, p.Round(t.Context(), p.now), ErrNoNodes)
}

func TestHeatOnServersThatCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t, fakeServers(t, 1, memcachetest.WithVersion("1.6.9")).order, time.Now())
		p.serve("hot", 50, 10_000)
		require.ErrorIs(t, p.Round(t.Context(), p.now), protocol.ErrUnsupported)
	})
}

func TestHeatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 2)
		p := newProcess(t, s.spread, time.Now())
		p.serve("hot", 50, 10_000)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Heat.Run(ctx) }()
		wait(4 * time.Second)
		require.InDelta(t, 0.5, p.shareOf("hot"), 0.1)
		require.Empty(t, p.fails)
		s.nodes[0].Close()
		s.nodes[1].Close()
		wait(2 * time.Second)
		require.NotEmpty(t, p.fails)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestBadHeatConfig(t *testing.T) {
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	order := func(string, int) []Node { return nil }
	for _, cfg := range []HeatConfig{{}, {Order: order}, {Detector: d}, {Order: order, Detector: d, Share: 2}} {
		_, err := NewHeat(cfg)
		require.ErrorIs(t, err, ErrBadConfig)
	}
}
