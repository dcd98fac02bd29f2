package sflow

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// observe is a client of node whose operations go to e.
func observe(t *testing.T, e *Exporter, node *realnode.Node) *memcache.Client {
	t.Helper()
	c, err := memcache.New(memcache.WithServers(node.Addr), memcache.WithObserver(e), memcache.WithTimeout(5*time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// work is one of each operation, and what each is as a sample: command, key, keys, bytes, status.
func work(t *testing.T, c *memcache.Client) (want []string) {
	t.Helper()
	ctx := t.Context()
	item := func(key, value string) *memcache.Item { return &memcache.Item{Key: key, Value: []byte(value)} }
	ignore := func(_ any, _ error) {} // a miss or a conflict is what is wanted
	steps := []struct {
		do   func()
		want string
	}{
		{func() { require.NoError(t, c.Set(ctx, item("k", "12345"))) }, "1 k 1 5 5"},
		{func() { ignore(c.Get(ctx, "k")) }, "7 k 1 5 1"},
		{func() { ignore(c.AppendGet(ctx, make([]byte, 100), "k")) }, "7 k 1 5 1"},
		{func() { ignore(c.Get(ctx, "none")) }, "7 none 1 0 8"},
		{func() { ignore(c.GetAndTouch(ctx, "k", time.Minute)) }, "7 k 1 5 1"},
		{func() { ignore(nil, c.Add(ctx, item("k", "1"))) }, "2 k 1 1 6"},
		{func() { ignore(nil, c.Replace(ctx, item("k", "12"))) }, "3 k 1 2 5"},
		{func() { ignore(nil, c.Append(ctx, item("k", "3"))) }, "4 k 1 1 5"},
		{func() { ignore(nil, c.Prepend(ctx, item("k", "4"))) }, "5 k 1 1 5"},
		{func() { ignore(c.Increment(ctx, "k", 1)) }, "9 k 1 0 1"},
		{func() { ignore(c.Decrement(ctx, "none", 1)) }, "10 none 1 0 8"},
		{func() { ignore(nil, c.Touch(ctx, "k", time.Minute)) }, "16 k 1 0 1"},
		{func() { ignore(nil, c.Delete(ctx, "k")) }, "11 k 1 0 9"},
		{func() { ignore(nil, c.Delete(ctx, "k")) }, "11 k 1 0 8"},
		{func() { require.NoError(t, c.Set(ctx, item("a", "1234567"))) }, "1 a 1 7 5"},
	}
	for _, s := range steps {
		s.do()
		want = append(want, s.want)
	}
	got, err := c.GetForUpdate(ctx, "a")
	require.NoError(t, err)
	require.NoError(t, c.Set(ctx, item("a", "1")))
	require.ErrorIs(t, c.CompareAndSwap(ctx, got), memcache.ErrCASConflict)
	ignore(c.GetMulti(ctx, []string{"a", "none"}))
	return append(want, "7 a 1 7 1", "1 a 1 1 5", "6 a 1 7 7", "7 a 2 1 1", "7 none 2 0 8")
}

func TestWhatAClientDoesIsExported(t *testing.T) {
	node, w := realnode.Start(t), new(wire)
	e := start(t, w.config())
	want := work(t, observe(t, e, node))
	require.NoError(t, e.Close())

	var got []string
	for _, d := range w.received(t) {
		for _, s := range d.samples {
			op := s.op
			got = append(got, fmt.Sprint(op.command, " ", op.key, " ", op.keys, " ", op.bytes, " ", op.status))
			require.Equal(t, node.Addr, s.socket.remote.String())
			require.EqualValues(t, len(got), s.pool)
			require.NotZero(t, op.micros)
			require.Less(t, op.micros, uint32(5e6))
		}
	}
	require.Equal(t, want, got)
	require.Zero(t, e.marked.Load())
}

// A client, memcached, a real UDP socket, and Wireshark's dissector.
func TestTsharkReadsAClientsTraffic(t *testing.T) {
	tshark := lookFor(t, "tshark")
	collector, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	defer collector.Close()
	e := start(t, Config{Collectors: []string{collector.LocalAddr().String()}, SamplingRate: 1})
	samples := len(work(t, observe(t, e, realnode.Start(t))))
	require.NoError(t, e.Close())

	capture := filepath.Join(t.TempDir(), "sflow.pcap")
	packet := make([]byte, 1<<16)
	seen := 0
	for seen < samples {
		require.NoError(t, collector.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, err := collector.Read(packet)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(capture, pcap(packet[:n]), 0o600))
		details := run(t, tshark, "-r", capture, "-d", "udp.port==6343,sflow", "-V")
		require.NotContains(t, details, "Malformed")
		require.Contains(t, details, "Sampling rate: 1 out of 1 packets")
		here := strings.Count(details, "Flow sample, seq ")
		require.NotZero(t, here, details)
		require.Equal(t, here, strings.Count(details, "Unknown (2100)"), "each sample says which node")
		seen += here
	}
	require.Equal(t, samples, seen)
}

func TestACallThatFailsIsExported(t *testing.T) {
	node, w := realnode.Start(t), new(wire)
	e := start(t, w.config())
	c := observe(t, e, node)
	_, err := c.Increment(t.Context(), "k", 1)
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("no number")}))
	_, err = c.Increment(t.Context(), "k", 1)
	require.Error(t, err)
	node.Kill()
	_, err = c.Get(t.Context(), "k")
	require.Error(t, err)
	require.NoError(t, e.Close())
	var statuses []uint32
	for _, s := range w.received(t)[0].samples {
		statuses = append(statuses, s.op.status)
	}
	require.Equal(t, []uint32{uint32(NotFound), uint32(Stored), uint32(ClientError), uint32(Unknown)}, statuses)
}

// Of the keys of a batch each is as likely to be sampled, or what is hot in batches alone would not be seen.
func TestEachKeyOfABatchMayBeSampled(t *testing.T) {
	const rate, n, batches = 50, 20, 20_000
	w := new(wire)
	config := w.config()
	config.SamplingRate = rate
	e := start(t, config)
	var counts [n]float64
	total := 0
	for range batches {
		ctx := e.Start(t.Context(), memcache.Call{Keys: n})
		if m, ok := ctx.(*marked); ok {
			last := -1
			for _, c := range m.chosen {
				require.Greater(t, c.key, last)
				last = c.key
				counts[c.key]++
				total++
			}
		}
	}
	want := float64(batches) / rate
	for key, count := range counts {
		require.InDelta(t, want, count, 6*20, "key %d: 6 standard deviations of %v", key, want) // sqrt(400)
	}
	require.InDelta(t, n*want, total, 6*90)
	require.EqualValues(t, batches*n, e.Counts().Operations)
}

func TestCallsAtOnceShareTheSamples(t *testing.T) {
	const rate, workers, calls, keys = 10, 8, 5_000, 3
	w := new(wire)
	config := w.config()
	config.SamplingRate = rate
	e := start(t, config)
	var chosenBy [workers]int
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range calls {
				if m, ok := e.Start(t.Context(), memcache.Call{Keys: keys}).(*marked); ok {
					chosenBy[i] += len(m.chosen)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range chosenBy {
		total += n
	}
	const operations = workers * calls * keys
	require.InEpsilon(t, operations/rate, total, 0.1)
	require.EqualValues(t, operations, e.Counts().Operations)
}

func TestTwoExportersOfAClientDoNotMeet(t *testing.T) {
	node, first, second := realnode.Start(t), new(wire), new(wire)
	a, b := start(t, first.config()), start(t, second.config())
	c, err := memcache.New(memcache.WithServers(node.Addr), memcache.WithObserver(a), memcache.WithObserver(b))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "k"}))
	for _, e := range []*Exporter{a, b} {
		require.NoError(t, e.Close())
		require.EqualValues(t, 1, e.Counts().Samples)
	}
}

func TestACallThatEndsAfterCloseIsIgnored(t *testing.T) {
	w := new(wire)
	e := start(t, w.config())
	call := memcache.Call{Command: protocol.Get, Keys: 1}
	ctx := e.Start(t.Context(), call)
	require.NoError(t, e.Close())
	e.End(ctx, call, memcache.Result{})
	require.Equal(t, t.Context(), e.Start(t.Context(), call))
	require.Zero(t, e.Counts().Samples)

	var none *Exporter
	require.Equal(t, t.Context(), none.Start(t.Context(), call))
	none.End(t.Context(), call, memcache.Result{})
	none.Event(memcache.Event{})
}

// A call that is made within another, as a route may, is not taken for it.
func TestACallWithinACall(t *testing.T) {
	w := new(wire)
	config := w.config()
	config.SamplingRate = maxRate
	e := start(t, config)
	e.left.Store(1)
	call := memcache.Call{Command: protocol.Get, Keys: 1}
	outer := e.Start(t.Context(), call)
	inner := e.Start(outer, call)
	e.End(inner, call, memcache.Result{})
	require.EqualValues(t, 1, e.marked.Load())
	e.End(outer, call, memcache.Result{})
	require.Zero(t, e.marked.Load())
	require.NoError(t, e.Close())
	require.EqualValues(t, 1, e.Counts().Samples)
}

// What is not sampled costs no allocation, with a context of any depth.
func TestAClientThatIsObservedAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	w := new(wire)
	config := w.config()
	config.SamplingRate = maxRate
	c := observe(t, start(t, config), realnode.Start(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	it, buf := &memcache.Item{Key: "k", Value: []byte("v")}, make([]byte, 0, 100)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if err := c.Set(ctx, it); err != nil {
			t.Fatal(err)
		}
		if _, err := c.AppendGet(ctx, buf, "k"); err != nil {
			t.Fatal(err)
		}
	}))
}
