package rulestore

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

func TestReportsOnRealNodes(t *testing.T) {
	s := realServers(t, 3)
	r := NewReports(s.spread)
	var want []Report
	for i := range 100 { // more than there are slots
		report := Report{ID: fmt.Sprintf("p%03d", i), View: "v", Loads: []float64{255, float64(i)}, Keys: []KeyLoad{{"k\xff", 7}}}
		report.Loads[1] = math.Min(report.Loads[1], 255)
		want = append(want, report)
		require.NoError(t, r.Send(t.Context(), report))
	}
	got, err := NewReports(s.spread).Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got)

	want[7].Keys = nil
	require.NoError(t, r.Send(t.Context(), want[7]))
	got, err = r.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got, "the newest of a process counts")
}

func TestLargeReportIsRefusedWhole(t *testing.T) {
	s := realServers(t, 1)
	r := NewReports(s.order)
	small := Report{ID: "p"}
	require.NoError(t, r.Send(t.Context(), small))
	large := Report{ID: "p", Keys: []KeyLoad{{strings.Repeat("k", 250), 1}, {strings.Repeat("l", 250), 1}, {strings.Repeat("m", 250), 1}}}
	require.ErrorIs(t, r.Send(t.Context(), large), ErrBadReport)
	got, err := r.Collect(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Report{{ID: "p", Loads: []float64{}}}, got)
}

func TestBadReports(t *testing.T) {
	for name, r := range map[string]Report{
		"no id":         {},
		"long id":       {ID: strings.Repeat("i", 65)},
		"id not UTF-8":  {ID: "\xff"},
		"long view":     {ID: "i", View: strings.Repeat("v", 256)},
		"many nodes":    {ID: "i", Loads: make([]float64, 5000)},
		"many that fit": {ID: "i", Loads: make([]float64, 1000)},
		"negative load": {ID: "i", Loads: []float64{-1}},
		"infinite load": {ID: "i", Loads: []float64{math.Inf(1)}},
		"no number":     {ID: "i", Keys: []KeyLoad{{"k", math.NaN()}}},
		"no key":        {ID: "i", Keys: []KeyLoad{{"", 1}}},
		"long key":      {ID: "i", Keys: []KeyLoad{{strings.Repeat("k", 251), 1}}},
	} {
		_, err := r.encode()
		require.ErrorIs(t, err, ErrBadReport, name)
	}
}

// What a stranger writes into a slot does not hide the reports beside it.
func TestGarbageInASlot(t *testing.T) {
	good, err := (&Report{ID: "p"}).encode()
	require.NoError(t, err)
	for _, garbage := range []string{"\n", "{}\n", "[1]\n", "x\n", strings.Repeat("x", 5000) + "\n", `{"i":"p","m":1e300,"l":"/w=="}` + "\n"} {
		reports, err := decodeSlot([]byte(string(good) + garbage + string(good)))
		require.ErrorIs(t, err, ErrBadReport)
		require.Len(t, reports, 2)
	}
	s := realServers(t, 1)
	s.set(t, 0, slotKey(3), "garbage")
	r := NewReports(s.order)
	require.NoError(t, r.Send(t.Context(), Report{ID: "p"}))
	reports, err := r.Collect(t.Context())
	require.ErrorIs(t, err, ErrBadReport)
	require.Len(t, reports, 1)
	s.reals[0].Kill()
	_, err = r.Collect(t.Context())
	require.Error(t, err)
	var at *NodeError
	require.ErrorAs(t, r.Send(t.Context(), Report{ID: "p"}), &at)
	r = NewReports(func(string, int) []Node { return nil })
	_, err = r.Collect(t.Context())
	require.ErrorIs(t, err, ErrNoNodes)
	require.ErrorIs(t, r.Send(t.Context(), Report{ID: "p"}), ErrNoNodes)
}

// A slot ends ten seconds after its first report, also for those who came later; they are not forgotten then.
func TestReportsOutliveTheirSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 2)
		r, reader := NewReports(s.spread), NewReports(s.spread)
		collected := func() int {
			reports, err := reader.Collect(t.Context())
			require.NoError(t, err)
			return len(reports)
		}
		for round := range 30 {
			for i := range 10 {
				require.NoError(t, r.Send(t.Context(), Report{ID: fmt.Sprint("p", i)}))
				wait(ReportInterval / 10)
				if round > 0 || i == 9 {
					require.Equal(t, 10, collected())
				}
			}
		}
		wait(2*reportTime + time.Second)
		require.Zero(t, collected(), "those that are silent are")
	})
}

func TestNewReport(t *testing.T) {
	remedy := func(key string, kind hotkey.Kind, share float64) hotkey.Remedy {
		return hotkey.Remedy{Key: hotkey.Key{Name: key, Share: share}, Decision: hotkey.Decision{Action: hotkey.Action{Kind: kind}}}
	}
	remedies := []hotkey.Remedy{remedy("a", hotkey.Pin, 0.5), remedy("b", hotkey.Keep, 0.2), remedy("c", hotkey.Pin, 0.1)}
	r := NewReport("p", []string{"n1", "n0"}, map[string]float64{"n0": 10, "n1": 20}, remedies, 1000)
	require.Equal(t, Report{
		ID: "p", View: View([]string{"n0", "n1"}), Loads: []float64{10, 20}, Keys: []KeyLoad{{"a", 500}, {"c", 100}},
	}, r)
	local := WithoutPins(remedies)
	require.Len(t, local, 1)
	require.Equal(t, "b", local[0].Key.Name)
	require.Len(t, remedies, 3)

	var many []hotkey.Remedy
	for i := range 20 {
		many = append(many, remedy(fmt.Sprint(strings.Repeat("k", 200), i), hotkey.Pin, 0.01))
	}
	r = NewReport("p", []string{"n0"}, nil, many, 1000)
	require.Len(t, r.Keys, 3, "as many as fit")
	_, err := r.encode()
	require.NoError(t, err)
}

func FuzzDecodeSlot(f *testing.F) {
	good, _ := (&Report{ID: "p", View: "v", Loads: []float64{1, 2}, Keys: []KeyLoad{{"k", 3}}}).encode()
	f.Add(good)
	f.Add([]byte(string(good) + "\n" + string(good)))
	f.Add([]byte(`{"i":"p","l":"/////w==","m":1e308}`))
	f.Add([]byte(`{"i":"p","k":[{"k":"aw==","c":-1}]}`))
	f.Add([]byte(`{"i":null,"k":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		reports, err := decodeSlot(data)
		if err != nil {
			require.ErrorIs(t, err, ErrBadReport)
		}
		ChoosePins(NewFleet([]string{"a", "b"}, reports), nil, func(string) string { return "a" })
		for _, r := range reports {
			line, err := r.encode()
			if err != nil {
				continue // longer than it was: floats and base64 can be written more briefly than we do
			}
			again, err := decodeReport(line[:len(line)-1])
			require.NoError(t, err)
			require.Equal(t, r.ID, again.ID)
			require.Equal(t, len(r.Keys), len(again.Keys))
			require.Equal(t, len(r.Loads), len(again.Loads))
		}
	})
}
