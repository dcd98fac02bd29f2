package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/realnode"
)

// Every client runs a moment of every workload that it takes part in, and no operation fails.
func TestEveryWorkloadRuns(t *testing.T) {
	realnode.Start(t) // skips where there is no memcached
	s, err := startServers()
	require.NoError(t, err)
	t.Cleanup(s.stop)
	r := runner{servers: s, clients: "*", slice: 5 * time.Millisecond, rounds: 1}
	for _, w := range chooseWorkloads("*") {
		t.Run(w.name, func(t *testing.T) {
			w.rate *= 10 // so that some operations are due within the moment
			if w.burners > 0 {
				w.stretch = 60 // a goroutine that computes gives way after 10 ms only
			}
			data := w.data
			w.data = func() *dataset { return firstKeys(data(), 2*multiKeys) }
			res, err := r.run(t.Context(), w)
			require.NoError(t, err)
			require.Len(t, res.rows, len(w.peers))
			for i, row := range res.rows {
				requireRan(t, s, w.peers[i], row)
			}
			requireTable(t, res)
		})
	}
}

// firstKeys cuts a dataset down, because storing it takes longer than the moment.
func firstKeys(d *dataset, count int) *dataset {
	count = min(count, len(d.keys))
	d.keys = d.keys[:count]
	d.order = slices.DeleteFunc(d.order, func(key int) bool { return key >= count })
	return d
}

func requireRan(t *testing.T, s *servers, p peer, row row) {
	t.Helper()
	if s.absent[p.program] != "" {
		require.Contains(t, row.note, "NOT RUN: "+p.program)
		require.Empty(t, row.samples)
		return
	}
	require.Empty(t, row.note, p.name)
	require.Len(t, row.samples, 1)
	only := row.samples[0]
	require.Zero(t, only.failed, "%s: %v", p.name, only.firstError)
	require.Positive(t, only.ops, p.name)
	require.Positive(t, only.opsPerSecond, p.name)
	require.GreaterOrEqual(t, only.p99Micros, only.p50Micros, p.name)
}

// requireTable checks that the result's table names every client and reports no failure.
func requireTable(t *testing.T, res result) {
	t.Helper()
	var out bytes.Buffer
	report := newReport(&out, modeFree, true)
	report.workload(res)
	report.goals()
	require.NoError(t, report.problem())
	for _, row := range res.rows {
		require.Contains(t, out.String(), "| "+row.name+" |")
	}
}

func TestAMissingServerIsNamedInTheTable(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := &servers{nodes: []string{"127.0.0.1:1"}, dir: t.TempDir(), absent: make(map[string]string)}
	s.redis = s.optional("redis-server", s.redisArgs)
	require.Empty(t, s.redis)

	c := runner{servers: s}.enter(peerRueidis, workload{}, nil)
	var out bytes.Buffer
	report := newReport(&out, modeFree, false)
	report.workload(result{rows: []row{c.row}})
	require.Contains(t, out.String(), "NOT RUN: redis-server")
	require.NoError(t, report.problem())
}

func TestAClientThatCannotConnectIsAProblem(t *testing.T) {
	s := &servers{nodes: []string{"127.0.0.1:1"}} // nothing listens on port 1
	w := getLoad(1)
	c := runner{servers: s}.enter(peerRaw, w, w.data())
	require.Contains(t, c.row.note, "FAILED")

	report := newReport(&bytes.Buffer{}, modeFree, false)
	report.workload(result{workload: w, rows: []row{c.row}})
	require.Error(t, report.problem())
}

func TestFailedOperationsAreAProblem(t *testing.T) {
	var out bytes.Buffer
	report := newReport(&out, modeFree, false)
	report.workload(result{rows: []row{
		{name: anchor, samples: []sample{{ops: 10}, {ops: 10, failed: 2, firstError: errMiss}}},
	}})
	require.Contains(t, out.String(), "FAILED: bradfitz: 2 of 20 operations, the first with: miss")
	require.Error(t, report.problem())
}

func TestGoalsNameClientsOfTheirWorkload(t *testing.T) {
	seen := 0
	for _, w := range chooseWorkloads("*") {
		for _, g := range w.goals {
			seen++
			require.True(t, takesPart(w, g.client), "%s: %s", w.name, g.client)
			require.True(t, g.against == "" || takesPart(w, g.against), "%s: %s", w.name, g.against)
		}
		require.True(t, takesPart(w, anchor), w.name)
	}
	all := 0
	for _, goals := range goalsOf {
		all += len(goals)
	}
	require.Equal(t, all, seen, "a goal belongs to no workload")
}

func takesPart(w workload, name string) bool {
	return slices.ContainsFunc(w.peers, func(p peer) bool { return p.name == name })
}

func TestChooseWorkloads(t *testing.T) {
	names := func(list string) string {
		var all []string
		for _, w := range chooseWorkloads(list) {
			all = append(all, w.name)
		}
		return strings.Join(all, " ")
	}
	require.Equal(t, "get-1 get-8 get-64 get-512", names("get-*"))
	require.Equal(t, "get-8 busy-8", names("busy-8, get-8"))
	require.Empty(t, names("get"))
}

func TestChooseKeepsTheAnchor(t *testing.T) {
	chosen := choose([]peer{peerBradfitz, peerGrafana, peerRaw}, "raw*")
	require.Len(t, chosen, 2)
	require.Equal(t, anchor, chosen[0].name)
	require.Equal(t, peerRaw.name, chosen[1].name)
}

func TestWithoutModes(t *testing.T) {
	require.Equal(t,
		[]string{"-rounds", "3", "-markdown"},
		withoutModes([]string{"-free", "-rounds", "3", "--onecpu=true", "-markdown", "-free=false"}))
}

// fakeWorker counts calls and answers as told.
type fakeWorker struct {
	gets, sets []string
	size       int
}

func (f *fakeWorker) get(key string) (int, error) {
	f.gets = append(f.gets, key)
	return f.size, nil
}

func (f *fakeWorker) set(key string, value []byte) error {
	f.sets = append(f.sets, fmt.Sprintf("%s=%d", key, len(value)))
	return nil
}

func (f *fakeWorker) getMulti(keys []string) (int, error) { return len(keys) - 1, nil }

func TestAStepNoticesAWrongLength(t *testing.T) {
	w := &fakeWorker{size: small}
	require.NoError(t, getStep(w, uniform(10, small)(), 0)())
	require.ErrorContains(t, getStep(w, uniform(10, large)(), 0)(), "100 bytes, want 65536")
	require.ErrorContains(t, multiStep(w, uniform(1000, small)(), 0)(), "99 of 100")
}

func TestOneOperationInTenIsASet(t *testing.T) {
	w := &fakeWorker{size: small}
	step := readMostlyStep(w, zipfian(100, small)(), 3)
	for range 1000 {
		require.NoError(t, step())
	}
	require.Len(t, w.sets, 100)
	require.Len(t, w.gets, 900)
}

func TestOneValueInTwentyIsLarge(t *testing.T) {
	d := mixed(1000, 20)()
	count := 0
	for key := range d.keys {
		if len(d.value(key)) == large {
			count++
		}
	}
	require.Equal(t, 50, count)
}

func TestTextTableIsAligned(t *testing.T) {
	var out bytes.Buffer
	tab := &table{header: []string{"client", "p50 µs", ""}}
	tab.add("a", "1.00", "x")
	tab.add("longer name", "22.0", "y")
	tab.writeText(&out)
	require.Equal(t, "client       p50 µs  \na            1.00    x\nlonger name  22.0    y\n", out.String())
}

func TestMarkdownTable(t *testing.T) {
	var out bytes.Buffer
	tab := &table{header: []string{"client", "×"}}
	tab.add("a", "1.00")
	tab.writeMarkdown(&out)
	require.Equal(t, "| client | × |\n| --- | --- |\n| a | 1.00 |\n", out.String())
}

func TestAHangingClientIsAnError(t *testing.T) {
	var running sync.WaitGroup
	running.Add(1)
	require.ErrorIs(t, waitFor(&running, time.Millisecond), errHung)
	running.Done()
	require.NoError(t, waitFor(&running, time.Minute))
}
