package hotkey

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func TestReportSaysWhatTheDetectorKnows(t *testing.T) {
	l := newLab(t, Options{}, 10_000)
	i := 0
	l.run(2*time.Second, func() {
		switch i++; i % 10 {
		case 0: // one read in nine of hot misses
			l.sampler.Miss("hot", xxhash.Sum64String("hot"))
		case 1:
			l.sampler.Write("hot", xxhash.Sum64String("hot"), 103)
		case 2:
			key := fmt.Sprintf("user:%d", i%50)
			l.sampler.Miss(key, xxhash.Sum64String(key))
		default:
			l.sampler.Read("hot", xxhash.Sum64String("hot"), 103)
		}
	})
	r := l.Report(3)

	require.InDelta(t, 10_000, r.OpsPerSecond, 200)
	require.InDelta(t, 2_000, r.MissesPerSecond, 300)
	require.NotEmpty(t, r.Keys)
	hot := r.Keys[0]
	require.Equal(t, "hot", hot.Key)
	require.Equal(t, fmt.Sprintf("%016x", xxhash.Sum64String("hot")), hot.ID)
	require.InDelta(t, 0.1/0.9, hot.WriteShare, 0.09) // 6 sigma of 560 samples
	require.InDelta(t, 7.0/8, *hot.HitRatio, 0.09)
	require.False(t, hot.Hot.IsZero())
	require.Equal(t, "hot", r.Missed[0].Key)
	require.InDelta(t, 1_000, r.Missed[0].MissesPerSecond, 300)
	require.Equal(t, "user:#", r.Families[0].Template)

	r.HideKeys()
	require.Empty(t, r.Keys[0].Key)
	require.Empty(t, r.Missed[0].Key)
	require.Empty(t, r.Families[0].Template)
	require.NotEmpty(t, r.Families[0].ID)
}

func TestAReportOfNothingHasEmptyLists(t *testing.T) {
	d, err := New(Options{})
	require.NoError(t, err)
	data, err := json.Marshal(d.Report(10))
	require.NoError(t, err)
	for _, list := range []string{"keys", "missed", "families"} {
		require.Contains(t, string(data), fmt.Sprintf("%q:[]", list))
	}
}

func TestAKeyThatIsOnlyWrittenHasNoHitRatio(t *testing.T) {
	require.Nil(t, reportKey(Key{WriteShare: 1}).HitRatio)
	require.Zero(t, *reportKey(Key{WriteShare: 0.5, MissShare: 0.5}).HitRatio)
}

func TestAReportComesBackFromJSONAsItWas(t *testing.T) {
	half := 0.5
	r := Report{
		Time:   epoch,
		Source: "web",
		Keys: []ReportKey{
			{Key: "grün", ID: "1", HitRatio: &half, Hot: epoch, Home: "10.0.0.7:11211", Remedy: "spread 3"},
			{Key: "\xff\xfe", ID: "2", OpsPerSecond: 3},
		},
		Missed:   []ReportMissed{{Key: "\xff", ID: "3", MissesPerSecond: 20, HitRatio: &half}},
		Families: []ReportMissed{{ID: "4", Template: "\xff:#"}},
		Notes:    []string{"a node is gone"},
	}
	data, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(data), `"key_base64":"//4="`)
	var back Report
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, r, back)
}

func TestRemedyText(t *testing.T) {
	for want, a := range map[string]Action{
		"":              {},
		"keep":          {Kind: Keep},
		"keep 250ms":    {Kind: Keep, Staleness: 250 * time.Millisecond},
		"spread 3":      {Kind: Spread, Copies: 3},
		"spread 2 1.5s": {Kind: Spread, Nodes: []string{"a", "b"}, Staleness: 1500 * time.Millisecond},
		"pin":           {Kind: Pin, Nodes: []string{"a"}},
		"pin 2":         {Kind: Pin, Nodes: []string{"a", "b"}},
		"deny":          {Kind: Deny},
	} {
		require.Equal(t, want, RemedyText(a))
	}
}
