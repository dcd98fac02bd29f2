package main

import (
	"testing"

	"github.com/nohop/memcache/hotkey"
	"github.com/stretchr/testify/require"
)

func TestMerge(t *testing.T) {
	busy := hotkey.Report{
		Source: "a", OpsPerSecond: 3000, BytesPerSecond: 0, MissesPerSecond: 10,
		Keys: []hotkey.ReportKey{
			{Key: "both", ID: "1", OpsPerSecond: 1500, Share: 0.5, HitRatio: part(1), Home: "a", Sampled: 3, ItemSize: 100},
			{Key: "only a", ID: "2", OpsPerSecond: 300, Share: 0.1, Home: "a"},
		},
		Missed: []hotkey.ReportMissed{{Key: "m", ID: "3", MissesPerSecond: 50, HitRatio: part(0.5), Home: "a"}},
		Notes:  []string{"n"},
	}
	idle := hotkey.Report{
		Source: "b", OpsPerSecond: 1000, MissesPerSecond: 1,
		Keys: []hotkey.ReportKey{
			{ID: "1", OpsPerSecond: 500, Share: 0.5, WriteShare: 1, Home: "b", Sampled: 1, Hot: noon, Remedy: "keep", ItemSize: 20},
		},
		Missed: []hotkey.ReportMissed{
			{Key: "x", ID: "4", MissesPerSecond: 200, Home: "b"},
			{Key: "m", ID: "3", MissesPerSecond: 100, HitRatio: part(0), Home: "b"},
		},
	}
	r := merge([]hotkey.Report{busy, idle}, 10)
	require.Equal(t, "a, b", r.Source)
	require.InDelta(t, 4000, r.OpsPerSecond, 0)
	require.Equal(t, []string{"n"}, r.Notes)
	require.Len(t, r.Keys, 2)
	both := r.Keys[0]
	require.Equal(t, "both", both.Key)
	require.InDelta(t, 0.5, both.Share, 1e-9)
	require.InDelta(t, 2000, both.OpsPerSecond, 0)
	require.InDelta(t, 1, *both.HitRatio, 0, "only a's ops were reads")
	require.InDelta(t, 0.25, both.WriteShare, 1e-9)
	require.Equal(t, 80, both.ItemSize)
	require.Equal(t, 4, both.Sampled)
	require.Equal(t, "a +1", both.Home)
	require.Equal(t, "keep", both.Remedy)
	require.Equal(t, noon, both.Hot)
	require.InDelta(t, 0.075, r.Keys[1].Share, 1e-9)

	require.Equal(t, "x", r.Missed[0].Key)
	require.Equal(t, "b +1", r.Missed[1].Home, "b misses it more often")
	require.InDelta(t, 150, r.Missed[1].MissesPerSecond, 0)
	require.InDelta(t, 0.25, *r.Missed[1].HitRatio, 1e-9)

	require.Len(t, merge([]hotkey.Report{busy, idle}, 1).Keys, 1)
	nothing := merge([]hotkey.Report{{}, {}}, 10)
	require.NotNil(t, nothing.Keys)
	require.Empty(t, nothing.Keys)
}
