package hotkey

import (
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	const second = time.Second
	large := Facts{Share: 0.05, OpsPerSecond: 1000, ItemSize: 50_000, Nodes: 10, KeepLeft: 1 << 20}
	with := func(f Facts, change func(*Facts)) Facts { change(&f); return f }
	small := with(large, func(f *Facts) { f.ItemSize = 100 })
	noKeep := Policy{KeepBytes: -1}
	for name, c := range map[string]struct {
		policy Policy
		facts  Facts
		want   Decision
	}{
		"large":                      {Policy{}, large, Decision{Action: Action{Kind: Keep}, Reason: ReasonKeep}},
		"large, staleness allowed":   {Policy{Staleness: second}, large, Decision{Action: Action{Kind: Keep, Staleness: second}, Reason: ReasonKeep}},
		"just large enough":          {Policy{}, with(large, func(f *Facts) { f.ItemSize = 512 }), Decision{Action: Action{Kind: Keep}, Reason: ReasonKeep}},
		"one node":                   {Policy{}, with(large, func(f *Facts) { f.Nodes = 1 }), Decision{Action: Action{Kind: Keep}, Reason: ReasonKeep}},
		"small":                      {Policy{}, small, Decision{Reason: ReasonSmall, Saves: 0.996}},
		"small, rare":                {Policy{}, with(small, func(f *Facts) { f.OpsPerSecond = 2 }), Decision{Reason: ReasonSmall}},
		"small, staleness allowed":   {Policy{Staleness: second}, small, Decision{Action: Action{Kind: Keep, Staleness: second}, Reason: ReasonKeep}},
		"too large for the process":  {Policy{}, with(large, func(f *Facts) { f.ItemSize = 300_000 }), spread(5)},
		"no memory left":             {Policy{}, with(large, func(f *Facts) { f.KeepLeft = 49_999 }), spread(5)},
		"largest kept is an option":  {Policy{KeepItemBytes: 1000}, large, spread(5)},
		"spread, staleness allowed":  {Policy{Staleness: second, KeepItemBytes: 1}, large, Decision{Action: Action{Kind: Spread, Copies: 5, Staleness: second}, Reason: ReasonSpread}},
		"over at least two":          {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.Share = 0.0001 }), spread(2)},
		"over at most all":           {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.Share = 0.9 }), spread(10)},
		"over a part of many":        {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.Nodes = 1000; f.Share = 0.001 }), spread(10)},
		"no other node":              {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.Nodes = 1 }), Decision{Reason: ReasonSingleNode}},
		"some writes":                {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.WriteShare = 0.04 }), spread(5)},
		"too many writes to spread":  {Policy{KeepItemBytes: 1}, with(large, func(f *Facts) { f.WriteShare = 0.06 }), Decision{Reason: ReasonWriteHot, WriteHot: true}},
		"but not to keep":            {Policy{}, with(large, func(f *Facts) { f.WriteShare = 0.06 }), Decision{Action: Action{Kind: Keep}, Reason: ReasonKeep, WriteHot: true}},
		"too many writes to keep":    {Policy{}, with(large, func(f *Facts) { f.WriteShare = 0.4 }), Decision{Reason: ReasonWriteHot, WriteHot: true}},
		"writes only":                {Policy{Staleness: second}, with(small, func(f *Facts) { f.WriteShare = 1 }), Decision{Reason: ReasonWriteHot, WriteHot: true}},
		"a counter":                  {Policy{}, with(small, func(f *Facts) { f.WriteShare = 0.3 }), Decision{Reason: ReasonWriteHot, WriteHot: true}},
		"told to pin":                {Policy{WriteHot: Pin}, with(small, func(f *Facts) { f.WriteShare = 0.3 }), Decision{Action: Action{Kind: Pin}, Reason: ReasonWriteHot, WriteHot: true}},
		"told to deny":               {Policy{WriteHot: Deny}, with(large, func(f *Facts) { f.WriteShare = 0.9 }), Decision{Action: Action{Kind: Deny}, Reason: ReasonWriteHot, WriteHot: true}},
		"told nonsense":              {Policy{WriteHot: Spread}, with(large, func(f *Facts) { f.WriteShare = 0.9 }), Decision{Reason: ReasonWriteHot, WriteHot: true}},
		"told to pin, read only":     {Policy{WriteHot: Pin}, large, Decision{Action: Action{Kind: Keep}, Reason: ReasonKeep}},
		"nothing is kept":            {noKeep, with(large, func(f *Facts) { f.KeepLeft = -1 }), spread(5)},
		"nothing is kept, and empty": {Policy{KeepBytes: -1, Staleness: second}, with(large, func(f *Facts) { f.KeepLeft = -1; f.ItemSize = 0 }), Decision{Action: Action{Kind: Spread, Copies: 5, Staleness: second}, Reason: ReasonSpread}},
	} {
		require.Equal(t, c.want, Choose(c.policy, c.facts), name)
	}
}

func spread(copies int) Decision {
	return Decision{Action: Action{Kind: Spread, Copies: copies}, Reason: ReasonSpread}
}

// Remedies asks the detector's facts: hotter keys have the memory first, explicit rules decide, and each event comes once.
func TestRemedies(t *testing.T) {
	o := onlyShare
	o.seed, o.Nodes = 1, 10
	l := newLab(t, o, labRate)
	read := func(key string, size int) { l.sampler.Read(key, xxhash.Sum64String(key), size) }
	i := 0
	l.run(4*time.Second, func() {
		i++
		switch i % 20 {
		case 0, 1, 2:
			read("first", 2000)
		case 3, 4:
			read("second", 2000)
		case 5:
			l.sampler.Write("counter", 3, 20)
		case 6, 7, 8:
			read("small", 20)
		case 9, 10:
			read("pinned", 2000)
		case 11, 12:
			read("lenient", 20)
		default:
			l.sampler.Read("cold", keyHash(i), 100)
		}
	})
	l.happened()
	explicit, err := NewTable(Header{}, []Rule{
		{Key: "pinned", Action: Action{Kind: Pin, Nodes: []string{"a"}}},
		{Prefix: "len", Action: Action{Kind: Auto, Staleness: time.Second}},
	})
	require.NoError(t, err)
	got := map[string]Kind{}
	var order []string
	for _, r := range l.Remedies(Policy{KeepBytes: 3000}, explicit) {
		got[r.Key.Name] = r.Decision.Action.Kind
		order = append(order, r.Key.Name)
	}
	require.Equal(t, "first", order[0])
	require.Equal(t, map[string]Kind{"first": Keep, "second": Spread, "counter": None, "small": None, "lenient": Keep}, got)
	events := l.happened()
	require.ElementsMatch(t, []EventKind{Advice, WriteHot}, kinds(events))
	for _, e := range events {
		require.Equal(t, map[EventKind]string{Advice: "small", WriteHot: "counter"}[e.Kind], e.Key.Name)
	}
	l.Remedies(Policy{KeepBytes: 3000}, explicit)
	require.Empty(t, l.happened(), "each once")
}

func TestReasonNames(t *testing.T) {
	for r := range reasonCount {
		require.NotEmpty(t, r.String())
	}
	require.Equal(t, "unknown", reasonCount.String())
	require.Equal(t, "unknown", Kind(99).String())
}
