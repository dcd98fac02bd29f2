package sflow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// wire is a collector: a net.Conn that keeps what is written.
type wire struct {
	net.Conn
	mu      sync.Mutex
	packets [][]byte
	hold    chan struct{} // if not nil, writes wait for it
	closed  bool
}

func (w *wire) Write(p []byte) (int, error) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.packets = append(w.packets, append([]byte(nil), p...))
	return len(p), nil
}

func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000} }
func (w *wire) Close() error                     { w.closed = true; return nil }

func (w *wire) config() Config {
	return Config{
		Collectors:   []string{"collector"},
		SamplingRate: 1,
		Dial:         func(context.Context, string, string) (net.Conn, error) { return w, nil },
	}
}

// received decodes all datagrams so far.
func (w *wire) received(t *testing.T) (datagrams []gotDatagram) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.packets {
		require.LessOrEqual(t, len(p), maxDatagram)
		d, err := decode(p)
		require.NoError(t, err)
		datagrams = append(datagrams, d)
	}
	return datagrams
}

func start(t *testing.T, c Config) *Exporter {
	t.Helper()
	e, err := NewExporter(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

var get = Operation{
	Command:    Get,
	Key:        "user:17",
	ValueBytes: 1234,
	Duration:   567 * time.Microsecond,
	Status:     OK,
	Node:       netip.MustParseAddrPort("10.0.0.7:11211"),
	Local:      netip.MustParseAddrPort("10.0.0.1:40000"),
}

func TestASampleHasWhatTheOperationHad(t *testing.T) {
	w := new(wire)
	e := start(t, w.config())
	e.Observe(get)
	require.NoError(t, e.Close())

	got := w.received(t)
	require.Len(t, got, 1)
	require.Equal(t, netip.MustParseAddr("192.0.2.1"), got[0].agent)
	require.EqualValues(t, 65536, got[0].subAgent)
	require.EqualValues(t, 1, got[0].sequence)
	require.Equal(t, []gotSample{{
		sequence: 1, class: 3, index: 65536, rate: 1, pool: 1, input: 0x3fffffff,
		socket: &gotSocket{6, get.Local, get.Node},
		op:     &gotOperation{protocol: 1, command: 7, key: "user:17", keys: 1, bytes: 1234, micros: 567, status: 1},
	}}, got[0].samples)
	require.Equal(t, Counts{Operations: 1, Samples: 1, Datagrams: 1}, e.Counts())
}

func TestSocketRecords(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.0.0.7:1"), netip.MustParseAddrPort("[2001:db8::7]:2")
	for _, tt := range []struct {
		name        string
		node, local netip.AddrPort
		want        *gotSocket
	}{
		{"no node", netip.AddrPort{}, v4, nil},
		{"local not known", v4, netip.AddrPort{}, &gotSocket{6, netip.MustParseAddrPort("192.0.2.1:0"), v4}},
		{"IPv6", v6, netip.MustParseAddrPort("[2001:db8::1%eth0]:9"),
			&gotSocket{6, netip.MustParseAddrPort("[2001:db8::1]:9"), v6}},
		{"IPv6, local not known", v6, netip.AddrPort{}, &gotSocket{6, netip.MustParseAddrPort("[::]:0"), v6}},
		{"IPv4 in IPv6", netip.MustParseAddrPort("[::ffff:10.0.0.7]:1"), netip.AddrPort{},
			&gotSocket{6, netip.MustParseAddrPort("192.0.2.1:0"), v4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := new(wire)
			e := start(t, w.config())
			e.Observe(Operation{Node: tt.node, Local: tt.local})
			require.NoError(t, e.Close())
			require.Equal(t, tt.want, w.received(t)[0].samples[0].socket)
		})
	}
}

func TestNumbersThatDoNotFitAreBounded(t *testing.T) {
	w := new(wire)
	e := start(t, w.config())
	e.Observe(Operation{Key: strings.Repeat("k", 300), ValueBytes: math.MaxInt, Duration: math.MaxInt64, Keys: -1})
	e.Observe(Operation{ValueBytes: -1, Duration: -1, Keys: 100, Protocol: Binary})
	require.NoError(t, e.Close())
	got := w.received(t)[0].samples
	require.Equal(t, strings.Repeat("k", 255), got[0].op.key)
	require.EqualValues(t, uint32(math.MaxUint32), got[0].op.micros)
	require.EqualValues(t, uintOf(math.MaxInt), got[0].op.bytes)
	require.EqualValues(t, 1, got[0].op.keys)
	require.Equal(t, &gotOperation{protocol: 2, keys: 100}, got[1].op)
}

func TestDatagramsAreFullButNotTooLong(t *testing.T) {
	w := new(wire)
	e := start(t, w.config())
	const n = 500
	for i := range n {
		op := get
		op.Key = strings.Repeat("k", i%256)
		e.Observe(op)
	}
	require.NoError(t, e.Close())
	var samples []gotSample
	for i, d := range w.received(t) {
		require.EqualValues(t, i+1, d.sequence)
		samples = append(samples, d.samples...)
	}
	require.Len(t, samples, n)
	for i, s := range samples {
		require.EqualValues(t, i+1, s.sequence)
		require.EqualValues(t, i+1, s.pool)
		require.Len(t, s.op.key, i%256)
	}
	require.Less(t, len(w.packets), n/4)
}

func TestASampleWaitsOneSecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wire)
		e, err := NewExporter(w.config())
		require.NoError(t, err)
		e.Observe(get)
		time.Sleep(600 * time.Millisecond)
		e.Observe(get)
		synctest.Wait()
		require.Empty(t, w.received(t))
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		require.Len(t, w.received(t), 1)
		require.Len(t, w.received(t)[0].samples, 2)
		require.EqualValues(t, 1000, w.received(t)[0].uptime)
		time.Sleep(time.Hour)
		require.Len(t, w.received(t), 1, "nothing to send, nothing sent")
		require.NoError(t, e.Close())
		require.True(t, w.closed)
	})
}

func TestOneInNIsSampledAtRandomAndThePoolIsExact(t *testing.T) {
	const rate, n = 50, 200_000
	w := new(wire)
	c := w.config()
	c.SamplingRate = rate
	e := start(t, c)
	var want []uint32
	for i := range n {
		e.Observe(Operation{Key: fmt.Sprint(i + 1)})
		if len(e.queue) > queueLength/2 { // the sender must keep up, or samples are drops
			require.Eventually(t, func() bool { return len(e.queue) == 0 }, 10*time.Second, time.Millisecond)
		}
	}
	require.NoError(t, e.Close())
	var gaps []float64
	last := uint32(0)
	for _, d := range w.received(t) {
		for _, s := range d.samples {
			require.EqualValues(t, rate, s.rate)
			require.Equal(t, s.op.key, fmt.Sprint(s.pool), "the pool counts the operations up to this one")
			gaps = append(gaps, float64(s.pool-last))
			want = append(want, s.pool)
			last = s.pool
		}
	}
	require.InDelta(t, n/rate, len(want), 6*math.Sqrt(n/rate))
	mean, variance := moments(gaps)
	require.InDelta(t, rate, mean, 0.1*rate)
	require.InDelta(t, rate*rate, variance, 0.3*rate*rate, "gaps are geometric")
	require.EqualValues(t, n, e.Counts().Operations)
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean) / float64(len(xs))
	}
	return mean, variance
}

func TestACollectorThatStallsCostsSamplesAndNoTime(t *testing.T) {
	w := &wire{hold: make(chan struct{})}
	e := start(t, w.config())
	const n = 5000
	for range n { // returns although the sender is stuck in its first write
		e.Observe(get)
	}
	drops := e.Counts().Drops
	require.NotZero(t, drops)
	close(w.hold)
	require.Eventually(t, func() bool { return len(e.queue) == 0 }, 10*time.Second, time.Millisecond)
	e.Observe(get)
	require.NoError(t, e.Close())

	var samples []gotSample
	for _, d := range w.received(t) {
		samples = append(samples, d.samples...)
	}
	last := samples[len(samples)-1]
	require.EqualValues(t, n+1, last.pool)
	require.EqualValues(t, drops, last.drops)
	require.EqualValues(t, len(samples), last.sequence, "a drop takes no sequence number")
	require.EqualValues(t, n+1, uint64(len(samples))+drops)
}

func TestManyCallersAtOnce(t *testing.T) {
	w := new(wire)
	c := w.config()
	c.SamplingRate = 10
	e := start(t, c)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20_000 {
				e.Observe(get)
			}
		})
	}
	wg.Wait()
	require.NoError(t, e.Close())
	counts := e.Counts()
	require.EqualValues(t, 160_000, counts.Operations)
	require.InDelta(t, 16_000, counts.Samples+counts.Drops, 1500)
	last := uint32(0)
	for _, d := range w.received(t) {
		for _, s := range d.samples {
			require.Greater(t, s.pool, last)
			last = s.pool
		}
	}
}

func TestCloseIsFinalAndMayBeRepeated(t *testing.T) {
	w := new(wire)
	e := start(t, w.config())
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	e.Observe(get)
	require.Zero(t, e.Counts().Samples)
	require.Empty(t, w.received(t))
}

func TestANilExporterObservesNothing(t *testing.T) {
	var e *Exporter
	e.Observe(get)
	require.Zero(t, e.Counts())
	require.NoError(t, e.Close())
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]Config{
		"no collector":        {},
		"negative rate":       {Collectors: []string{"x"}, SamplingRate: -1},
		"rate too large":      {Collectors: []string{"x"}, SamplingRate: math.MaxInt},
		"data source":         {Collectors: []string{"x"}, DataSource: 1 << 24},
		"flush too late":      {Collectors: []string{"x"}, FlushInterval: time.Minute},
		"flush in the past":   {Collectors: []string{"x"}, FlushInterval: -1},
		"all of them at once": {SamplingRate: -1, DataSource: 1 << 25},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewExporter(c)
			require.ErrorIs(t, err, ErrBadConfig)
		})
	}
}

func TestACollectorThatCannotBeDialledLeavesNothingOpen(t *testing.T) {
	first := new(wire)
	broken := errors.New("broken")
	c := Config{Collectors: []string{"a", "b:99"}}
	var asked []string
	c.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		asked = append(asked, address)
		if len(asked) == 2 {
			return nil, broken
		}
		return first, nil
	}
	_, err := NewExporter(c)
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"a:6343", "b:99"}, asked)
	require.True(t, first.closed)
}

func TestAnOperationThatIsNotSampledAllocatesNothing(t *testing.T) {
	w := new(wire)
	c := w.config()
	c.SamplingRate = maxRate
	e := start(t, c)
	require.Zero(t, testing.AllocsPerRun(1000, func() { e.Observe(get) }))
}

func TestNobodyListensIsNoError(t *testing.T) {
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.LocalAddr().String()
	require.NoError(t, listener.Close())
	e := start(t, Config{Collectors: []string{address}, SamplingRate: 1, FlushInterval: time.Millisecond})
	// Each refused datagram is told to the next write.
	for deadline := time.Now().Add(10 * time.Second); e.Counts().Failed == 0; <-time.After(time.Millisecond) {
		require.True(t, time.Now().Before(deadline))
		e.Observe(get)
	}
}

func FuzzOperation(f *testing.F) {
	f.Add("key", 1, 100, int64(1000), uint8(7), uint8(1), uint8(1), "10.0.0.7:11211", "10.0.0.1:1")
	f.Add("", 0, -1, int64(-1), uint8(0), uint8(0), uint8(0), "[::1]:1", "")
	f.Add("\xff\x00", 9, 0, int64(0), uint8(16), uint8(9), uint8(2), "", "[fe80::1%eth0]:7")
	f.Fuzz(func(t *testing.T, key string, keys, bytes int, ns int64, command, status, protocol uint8, node, local string) {
		op := Operation{
			Protocol: Protocol(protocol % 3), Command: Command(command % 17), Key: key, Keys: keys, ValueBytes: bytes,
			Duration: time.Duration(ns), Status: Status(status % 10),
		}
		op.Node, _ = netip.ParseAddrPort(node)
		op.Local, _ = netip.ParseAddrPort(local)
		d := newDatagram(Config{DataSource: 1, SamplingRate: 1}, netip.IPv4Unspecified())
		require.True(t, d.add(&sample{op: op, pool: 1}))
		got, err := decode(d.finish())
		require.NoError(t, err)
		require.Equal(t, key[:min(len(key), 255)], got.samples[0].op.key)
		require.Equal(t, op.Node.IsValid(), got.samples[0].socket != nil)
	})
}
