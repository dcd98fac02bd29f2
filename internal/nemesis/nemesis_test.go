package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// The test binary is also the client process.
func TestMain(m *testing.M) {
	if config := os.Getenv(clientVariable); config != "" {
		exit(runClient(config, os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// nemesis runs the command line args and returns what came of it.
func nemesis(t *testing.T, args ...string) (*report, config) {
	t.Helper()
	realnode.Start(t) // skips where there is no memcached
	cfg, err := parseFlags(append([]string{"-repair", "500ms", "-rate", "500"}, args...))
	require.NoError(t, err)
	out := &bytes.Buffer{}
	r, err := run(t.Context(), cfg, out)
	require.NoError(t, err)
	r.print(out)
	t.Log(out)
	require.Greater(t, r.outcomes["get ok"], 100)
	require.Greater(t, r.outcomes["set ok"], 10)
	return r, cfg
}

// A small part of what is to be run for a minute after each change, and for hours now and then.
func TestAllPromisesUnderAllFaults(t *testing.T) {
	t.Parallel()
	for _, topology := range []string{replicated, sharded} {
		t.Run(topology, func(t *testing.T) {
			t.Parallel()
			r, cfg := nemesis(t, "-duration", "10s", "-round", "5s", "-life-gap", "4s", "-topology", topology)
			require.NoError(t, r.verdict(cfg.expect))
			require.Equal(t, 2, r.rounds)
			require.Greater(t, len(r.faults), 5)
			require.Positive(t, r.seen.afterMissed)
		})
	}
}

// Keys move by pins, and what they bring is read where they went.
func TestPinsMoveKeys(t *testing.T) {
	t.Parallel()
	r, cfg := nemesis(t, "-duration", "14s", "-round", "14s", "-topology", "pinned", "-warm-up", "1s", "-faults", "pin")
	require.NoError(t, r.verdict(cfg.expect))
	require.Positive(t, r.seen.moved)
}

func TestIntegrityUnderHostileReplies(t *testing.T) {
	t.Parallel()
	r, cfg := nemesis(t, "-duration", "2s", "-faults", "hostile,net-chop")
	require.NoError(t, r.verdict(cfg.expect))
}

// A single node is a register that may forget, whatever happens to it.
func TestOneNodeIsARegister(t *testing.T) {
	t.Parallel()
	r, cfg := nemesis(t, "-duration", "3s", "-nodes", "1", "-life-gap", "2s", "-faults", "pause,restart,flush,evict,net-stall,net-rst,net-delay")
	require.NoError(t, r.verdict(cfg.expect))
	require.Zero(t, r.undecided)
}

func TestNothingIsLostWithoutFaults(t *testing.T) {
	t.Parallel()
	r, cfg := nemesis(t, "-duration", "2s", "-topology", "sharded", "-propagation", "0", "-faults", "none")
	require.NoError(t, r.verdict(cfg.expect))
	require.Empty(t, r.faults)
}

// Where values are changed behind the clients' backs, the checks see it.
func TestMeddlingIsReported(t *testing.T) {
	t.Parallel()
	r, _ := nemesis(t, "-duration", "3s", "-faults", "meddle", "-keys", "20")
	require.Contains(t, r.violations, "I1")
	require.Contains(t, r.violations, "I3")
	require.Error(t, r.verdict(nil))
	require.NoError(t, r.verdict(slices.Collect(maps.Keys(r.violations))))
}

func TestHistoriesAreKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	nemesis(t, "-duration", "2s", "-processes", "2", "-faults", "leave", "-life-gap", "1s", "-dir", dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.history"))
	require.NoError(t, err)
	require.Len(t, files, 3)
	h, err := history.Read(files...)
	require.NoError(t, err)
	joins := 0
	for _, e := range h.Events {
		if e.Kind == history.Join {
			joins++
			require.LessOrEqual(t, time.Duration(e.End-e.Start), 5*time.Second)
		}
	}
	require.Positive(t, joins)
	require.NotEmpty(t, h.Dumps)
}

// An interrupted round has had no time for repairs, so nothing is said of it.
func TestInterruption(t *testing.T) {
	realnode.Start(t)
	cfg, err := parseFlags(strings.Fields("-duration 1h -faults kill,leave,net-stall"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	out := &bytes.Buffer{}
	r, err := run(ctx, cfg, out)
	require.NoError(t, err)
	require.Contains(t, out.String(), "INTERRUPTED")
	require.Zero(t, r.rounds)
	require.NoError(t, r.verdict(nil))
}

func TestBadCommandLines(t *testing.T) {
	for _, line := range []string{"-nodes -1", "-processes 0", "-topology ring", "-faults meteor", "-duration 0s", "-skew -1s", "-nonsense"} {
		_, err := parseFlags(strings.Fields(line))
		require.Error(t, err, line)
	}
}

func TestClientProcessesRefuseNonsense(t *testing.T) {
	require.Error(t, runClient("{", strings.NewReader(""), io.Discard))
	require.Error(t, runClient(`{"File":"/nonexistent/file"}`, strings.NewReader(""), io.Discard))
}
