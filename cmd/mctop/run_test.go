package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/inspect"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// runPlain runs mctop without a terminal and returns what it printed.
func runPlain(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "out")
	require.NoError(t, err)
	defer file.Close()
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var b strings.Builder
	status = run(ctx, args, null, file, &b)
	require.NoError(t, ctx.Err())
	data, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	return status, string(data), b.String()
}

// serve is a client that reports r.
func serve(t *testing.T, r hotkey.Report) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAClientsReportIsPrinted(t *testing.T) {
	status, out, errs := runPlain(t, "-count", "2", "-interval", "250ms", "-filter", "front", serve(t, reported()))
	require.Zero(t, status, errs)
	require.Equal(t, 2, strings.Count(out, "front-page"), out)
	require.Contains(t, out, "spread 3")
	require.NotContains(t, out, "counter")
}

func TestJSONIsAReportALine(t *testing.T) {
	url := serve(t, reported())
	status, out, errs := runPlain(t, "-json", "-count", "2", "-interval", "250ms", "-n", "2", url, url)
	require.Zero(t, status, errs)
	decoder := json.NewDecoder(strings.NewReader(out))
	for range 2 {
		var r hotkey.Report
		require.NoError(t, decoder.Decode(&r))
		require.Len(t, r.Keys, 2)
		require.Equal(t, "front-page", r.Keys[0].Key)
		require.InDelta(t, 2*40_617, r.Keys[0].OpsPerSecond, 1, "two clients with the same key")
		require.InDelta(t, 0.5, r.Keys[0].Share, 0.001)
	}
	require.Equal(t, 2, strings.Count(out, "\n"))
}

// A client's page of package inspect, as it is deployed.
func TestAClientIsSeenByItsPage(t *testing.T) {
	node := realnode.Start(t)
	c, err := memcache.New(memcache.WithServers(node.Addr))
	require.NoError(t, err)
	defer c.Close()
	page := httptest.NewServer(inspect.Handler(c, inspect.WithKeys()))
	defer page.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	load.Go(func() {
		for ctx.Err() == nil {
			_, _ = c.Get(ctx, "session.uesr") // a miss each
		}
	})
	status, out, errs := runPlain(t, "-show", "missed", "-count", "2", page.URL+"/keys.json?n=100")
	require.Zero(t, status, errs)
	require.Contains(t, out, "session.uesr")
	require.Contains(t, out, node.Addr)
}

func TestAClientThatDoesNotReportIsNoted(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	defer nonsense.Close()
	status, out, _ := runPlain(t, "-count", "1", "-interval", "250ms", gone.URL, nonsense.URL, serve(t, reported()))
	require.Zero(t, status)
	require.Contains(t, out, "! "+gone.URL+": the answer is 404 Not Found")
	require.Contains(t, out, "! "+nonsense.URL+": not a report")
	require.Contains(t, out, "front-page")
}

func TestBadCommandLines(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"-interval", "1ms", "a:1"},
		{"-n", "0", "a:1"},
		{"-n", "1001", "a:1"},
		{"-count", "-1", "a:1"},
		{"-show", "all", "a:1"},
		{"-sort", "misses", "a:1"},
		{"-show", "missed", "-sort", "share", "a:1"},
		{"-bogus", "a:1"},
		{"nowhere"},
	} {
		status, out, errs := runPlain(t, args...)
		require.Equal(t, 1, status, args)
		require.Empty(t, out)
		require.Contains(t, errs, "mctop: ")
	}
	status, _, errs := runPlain(t, "-h")
	require.Zero(t, status)
	require.Contains(t, errs, "usage: mctop")
	for line := range strings.Lines(errs) {
		require.LessOrEqual(t, len(strings.ReplaceAll(line, "    \t", "        ")), 81, line)
	}
}

func TestRealNodesAreWatched(t *testing.T) {
	nodes := []*realnode.Node{realnode.Start(t), realnode.Start(t)}
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	for i, n := range nodes {
		conn, err := n.Dial()
		require.NoError(t, err)
		load.Go(func() { ask(ctx, conn, fmt.Sprintf("get hot%d\r\nget both\r\n", i)) })
	}
	status, out, errs := runPlain(t, "-json", "-count", "3", "-interval", "1s", nodes[0].Addr, nodes[1].Addr, "127.0.0.1:1")
	require.Zero(t, status, errs)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var r hotkey.Report
	require.NoError(t, json.Unmarshal([]byte(lines[2]), &r))
	homes := map[string]string{}
	total := 0.0
	for _, k := range r.Keys {
		homes[k.Key] = k.Home
		total += k.Share
		require.Zero(t, *k.HitRatio)
		require.False(t, k.Hot.IsZero())
	}
	require.Len(t, homes, 3)
	require.Equal(t, nodes[0].Addr, homes["hot0"])
	require.Equal(t, nodes[1].Addr, homes["hot1"])
	require.Contains(t, homes["both"], " +1")
	require.InDelta(t, 1, total, 0.01)
	require.Len(t, r.Missed, 3)
	require.Equal(t, r.Families[0].Template, "hot#")
	require.Len(t, r.Notes, 1)
	require.Contains(t, r.Notes[0], "127.0.0.1:1: ")
}

// ask sends gets that miss until ctx ends, and reads the answers.
func ask(ctx context.Context, conn net.Conn, gets string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for ctx.Err() == nil {
		if _, err := conn.Write([]byte(gets)); err != nil {
			return
		}
		for range strings.Count(gets, "\n") {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
		}
	}
}

// Whatever clients report, it can be added up and printed.
func TestClientsThatReportTooMuch(t *testing.T) {
	r := hotkey.Report{
		OpsPerSecond: 1e308, BytesPerSecond: 1e308, MissesPerSecond: 1e308,
		Keys: []hotkey.ReportKey{{
			ID: "1", OpsPerSecond: 1e308, BytesPerSecond: 1e308, Share: 1e308, FleetShare: 1e308, HitRatio: part(1e308),
			WriteShare: -1e308, ItemSize: math.MaxInt,
		}},
		Missed:   []hotkey.ReportMissed{{ID: "2", MissesPerSecond: 1e308, HitRatio: part(-1e308)}},
		Families: []hotkey.ReportMissed{{ID: "3", MissesPerSecond: 1e308}},
	}
	for _, form := range []string{"-json", "-plain"} {
		status, out, errs := runPlain(t, form, "-count", "1", "-interval", "250ms", serve(t, r), serve(t, r))
		require.Zero(t, status, errs)
		require.NotEmpty(t, out)
		require.NotContains(t, out, "e+3")
	}
}
