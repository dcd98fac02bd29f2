package main

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

func TestWindows(t *testing.T) {
	second := func(at, took float64, key int32, failed bool) sample {
		of := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
		return sample{of(at), of(took), key, failed}
	}
	l := &load{}
	l.samples[0] = []sample{second(0.5, 0.1, 1, false), second(1, 0.3, 1, false), second(2, 0.1, 1, true)}
	l.samples[1] = []sample{second(0.9, 1, 2, true), second(1.5, 0.2, 2, false)}
	w := l.between(time.Second, 3*time.Second, nil)
	require.Equal(t, []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond}, w.took)
	require.InDelta(t, 1, w.rate(), 0.001)
	require.InDelta(t, 0.5, w.errors(), 0.001)
	require.Equal(t, 300*time.Millisecond, w.p99())
	onTwo := func(key int) bool { return key == 2 }
	w = l.between(0, 3*time.Second, not(onTwo))
	require.Equal(t, 2, w.good)
	require.Equal(t, 1700*time.Millisecond, l.firstGood(0, onTwo))
	require.Zero(t, l.firstGood(2*time.Second, onTwo))
	require.Equal(t, 1, l.failures(time.Second, 2*time.Second), "it was called before and returned in it")
	require.Equal(t, 2, l.failures(time.Second, 3*time.Second))
}

func TestALoadCallsFromManyGoroutinesUntilItIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		l := begin(2, func(key int) error {
			time.Sleep(time.Millisecond)
			if key == 1 {
				return bad
			}
			return nil
		})
		time.Sleep(100*time.Millisecond + time.Microsecond)
		l.stop()
		w := l.between(0, 100*time.Millisecond, nil)
		require.Equal(t, 100*workers, w.good+w.failed)
		require.Greater(t, w.good, 20*workers)
		require.Greater(t, w.failed, 20*workers)
		require.Equal(t, time.Millisecond, w.p99())
	})
}

func TestPercentile(t *testing.T) {
	var took []time.Duration
	require.Zero(t, percentile(took, 99))
	for i := range 200 {
		took = append(took, time.Duration(i+1))
	}
	require.Equal(t, time.Duration(198), percentile(took, 99))
	require.Equal(t, time.Duration(1), percentile(took[:1], 99))
}

func TestReadsOfEachSecond(t *testing.T) {
	read := func(at time.Duration, o history.Outcome) history.Op {
		return history.Op{Command: history.Get, Call: history.Time(at), Outcome: o}
	}
	var n noticed
	n.count(&history.History{Ops: []history.Op{
		read(0, history.OK), read(1, history.OK), read(time.Second, history.OK), read(time.Second+1, history.Miss),
		read(2*time.Second, history.Ambiguous), {Command: history.Set, Outcome: history.OK},
	}})
	require.Equal(t, noticed{hits: 3, misses: 1, failed: 1, worst: 50}, n)
	require.InDelta(t, 20, n.missed(), 0.001)
	require.Equal(t, "0 of 5 reads stale", n.staleness())
}

func TestRowsOfTheTable(t *testing.T) {
	out := &bytes.Buffer{}
	good, bad := row{"a", "b", "c", "d", true}, row{"a", "b", "c", "d", false}
	good.print(out)
	bad.print(out)
	require.Equal(t, "| a | b | c | d | met |\n| a | b | c | d | **missed** |\n", out.String())
}

// brief is a table that takes a moment, and says nothing of the goals.
var brief = config{
	seed: 1, cycles: 1, kills: 1, hangs: 1, comebacks: 1, healthy: 300 * time.Millisecond, hang: 400 * time.Millisecond,
	absence: 300 * time.Millisecond, after: 1100 * time.Millisecond, spread: 200 * time.Millisecond, stay: 500 * time.Millisecond,
}

// Everything can be measured, on real nodes, and has something beside it where there is something.
func TestTheWholeTable(t *testing.T) {
	realnode.Start(t) // skips where there is no memcached
	for _, m := range measurements() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rows, err := m.rows(t.Context(), brief)
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			for _, r := range rows {
				t.Logf("%+v", r)
				require.NotEmpty(t, r.what)
				require.NotEmpty(t, r.goal)
				require.NotEmpty(t, r.ours)
				require.NotEmpty(t, r.beside)
			}
		})
	}
}

func TestCommandLines(t *testing.T) {
	c, err := parseFlags([]string{"-only", "kill,dial", "-cycles", "3"})
	require.NoError(t, err)
	require.Equal(t, []string{"kill", "dial"}, c.only)
	require.Equal(t, 3, c.cycles)
	for _, line := range [][]string{{"-only", "meteor"}, {"-cycles", "0"}, {"-nonsense"}} {
		_, err := parseFlags(line)
		require.Error(t, err, line)
	}
}
