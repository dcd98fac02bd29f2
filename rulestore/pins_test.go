package rulestore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

func automaticPin(key, node string) hotkey.Rule {
	r := pin(key, node)
	r.Origin = hotkey.Automatic
	return r
}

func atHome(key string) string { return "a" }

func TestNewFleet(t *testing.T) {
	nodes := []string{"b", "a"}
	f := NewFleet(nodes, []Report{
		{ID: "1", View: View(nodes), Loads: []float64{10, 1}, Keys: []KeyLoad{{"x", 5}, {"y", 6}}},
		{ID: "2", View: View(nodes), Loads: []float64{10, 2}, Keys: []KeyLoad{{"x", 5}}},
		{ID: "3", View: View(nodes), Keys: []KeyLoad{{"z", 1}}},
		{ID: "4", View: "another", Loads: []float64{99, 99}, Keys: []KeyLoad{{"z", 1}}},
	})
	require.Equal(t, Fleet{
		Load: map[string]float64{"a": 20, "b": 3},
		Keys: []KeyLoad{{"x", 10}, {"y", 6}, {"z", 2}},
	}, f)
}

func TestChoosePins(t *testing.T) {
	soon := time.Now().Add(time.Second)
	ending := func(r hotkey.Rule) hotkey.Rule { r.Expires, r.Action.Ends = soon, true; return r }
	load := func(a, b, c float64) map[string]float64 { return map[string]float64{"a": a, "b": b, "c": c} }
	for name, c := range map[string]struct {
		fleet Fleet
		now   []hotkey.Rule
		want  []hotkey.Rule
	}{
		"nothing is hot":     {fleet: Fleet{Load: load(100, 0, 0)}},
		"to the coolest":     {fleet: Fleet{Load: load(100, 20, 10), Keys: []KeyLoad{{"k", 40}}}, want: []hotkey.Rule{automaticPin("k", "c")}},
		"it is all the load": {fleet: Fleet{Load: load(100, 0, 0), Keys: []KeyLoad{{"k", 95}}}},
		"it does not pay":    {fleet: Fleet{Load: load(100, 95, 95), Keys: []KeyLoad{{"k", 40}}}},
		"home is coolest":    {fleet: Fleet{Load: load(10, 20, 20), Keys: []KeyLoad{{"k", 5}}}},
		"home is unknown":    {fleet: Fleet{Load: map[string]float64{"b": 1}, Keys: []KeyLoad{{"k", 5}}}},
		"key of the library": {fleet: Fleet{Load: load(100, 0, 0), Keys: []KeyLoad{{"~rules", 40}}}},
		"one after the other": {
			fleet: Fleet{Load: load(100, 0, 0), Keys: []KeyLoad{{"k", 40}, {"l", 30}, {"m", 2}}},
			want:  []hotkey.Rule{automaticPin("k", "b"), automaticPin("l", "c")},
		},
		"a pin stays, though another node is cooler by now": {
			fleet: Fleet{Load: load(50, 60, 0), Keys: []KeyLoad{{"k", 40}}},
			now:   []hotkey.Rule{automaticPin("k", "b")},
			want:  []hotkey.Rule{automaticPin("k", "b")},
		},
		"one that is not reported any more goes": {
			fleet: Fleet{Load: load(1, 1, 1)},
			now:   []hotkey.Rule{automaticPin("k", "b")},
		},
		"one that was reported lately stays": {
			fleet: Fleet{Load: load(1, 1, 1), Recent: map[string]bool{"k": true}},
			now:   []hotkey.Rule{automaticPin("k", "b")},
			want:  []hotkey.Rule{automaticPin("k", "b")},
		},
		"its node has gone: it goes first": {
			fleet: Fleet{Load: load(100, 0, 0), Keys: []KeyLoad{{"k", 40}}},
			now:   []hotkey.Rule{automaticPin("k", "gone")},
		},
		"while one ends, there is no other": {
			fleet: Fleet{Load: load(100, 0, 0), Keys: []KeyLoad{{"k", 40}, {"l", 30}}},
			now:   []hotkey.Rule{ending(automaticPin("k", "b"))},
			want:  []hotkey.Rule{automaticPin("l", "b")},
		},
		"not a pin": {fleet: Fleet{Load: load(1, 1, 1)}, now: keep("k")},
	} {
		require.Equal(t, c.want, ChoosePins(c.fleet, c.now, atHome), name)
	}
}

// However many keys, the pins are few, and no node comes above where the worst has been.
func TestPinsOfManyKeys(t *testing.T) {
	f := Fleet{Load: map[string]float64{"a": 10_000, "b": 1000, "c": 1000}}
	for i := range 100 {
		f.Keys = append(f.Keys, KeyLoad{fmt.Sprint("k", i), 90})
	}
	pins := ChoosePins(f, nil, atHome)
	require.LessOrEqual(t, len(pins), maxPins)
	require.Greater(t, len(pins), 10)
	for _, r := range pins {
		f.Load["a"] -= 90
		f.Load[r.Action.Nodes[0]] += 90
	}
	require.Less(t, f.Load["a"], 6000.0)
	require.Less(t, max(f.Load["b"], f.Load["c"]), f.Load["a"])
}

// A key that nobody reports for a minute is not hot any more. Who has just begun to lead knows nothing of the time before.
func TestPinsOutliveAPause(t *testing.T) {
	reported, now := map[string]time.Time{}, time.Now()
	pins, hot := []hotkey.Rule{automaticPin("k", "b")}, []KeyLoad{{"k", 1}}
	require.True(t, recent(reported, pins, nil, now)["k"], "a new leader")
	require.True(t, recent(reported, pins, nil, now.Add(59*time.Second))["k"])
	require.True(t, recent(reported, pins, hot, now.Add(59*time.Second))["k"])
	require.True(t, recent(reported, pins, nil, now.Add(118*time.Second))["k"])
	require.False(t, recent(reported, pins, nil, now.Add(119*time.Second))["k"])
	require.Empty(t, recent(reported, nil, hot, now))
	require.Empty(t, reported, "it is forgotten with the pin")
}

func TestPinsFromReports(t *testing.T) {
	s := realServers(t, 2)
	reports := NewReports(s.spread)
	require.NoError(t, reports.Send(t.Context(), Report{
		ID: "p", View: View(s.names()), Loads: []float64{100, 10}, Keys: []KeyLoad{{"counter", 40}},
	}))
	rules := Pins(reports, s.names, func(string) string { return "n0" })
	got, err := rules(context.Background(), nil)
	require.NoError(t, err)
	require.Equal(t, []hotkey.Rule{automaticPin("counter", "n1")}, got)
}
