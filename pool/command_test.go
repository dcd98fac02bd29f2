package pool

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// eachServer runs test against real memcached and memcachetest, in the meta and in the classic dialect.
func eachServer(t *testing.T, test func(t *testing.T, n *Node)) {
	servers := map[string]func(t *testing.T) string{
		"memcached":    func(t *testing.T) string { return realnode.Start(t).Addr },
		"memcachetest": func(t *testing.T) string { return startFake(t).Addr() },
	}
	for name, start := range servers {
		for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				cfg := patient(start(t))
				cfg.Dialect = d
				test(t, newTestNode(t, cfg))
			})
		}
	}
}

func startFake(t testing.TB, opts ...memcachetest.Option) *memcachetest.Server {
	s := memcachetest.NewServer(opts...)
	t.Cleanup(s.Close)
	return s
}

// TestEveryCommand runs a story in which every command hits, misses and, where it can, conflicts.
func TestEveryCommand(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		type r = protocol.Request
		steps := []struct {
			request r
			status  protocol.Status
			value   string
			number  uint64
		}{
			{request: r{Command: protocol.Get, Key: "k"}, status: protocol.Miss},
			{request: r{Command: protocol.GetAndTouch, Key: "k", Exptime: 100}, status: protocol.Miss},
			{request: r{Command: protocol.Touch, Key: "k", Exptime: 100}, status: protocol.Miss},
			{request: r{Command: protocol.Replace, Key: "k", Value: []byte("x")}, status: protocol.NotStored},
			{request: r{Command: protocol.Append, Key: "k", Value: []byte("x")}, status: protocol.NotStored},
			{request: r{Command: protocol.Prepend, Key: "k", Value: []byte("x")}, status: protocol.NotStored},
			{request: r{Command: protocol.Delete, Key: "k"}, status: protocol.Miss},
			{request: r{Command: protocol.Increment, Key: "k", Delta: 1, Meta: protocol.ReturnValue}, status: protocol.Miss},
			{request: r{Command: protocol.Decrement, Key: "k", Delta: 1, Meta: protocol.ReturnValue}, status: protocol.Miss},
			{request: r{Command: protocol.Set, Key: "k", CAS: 9, Meta: protocol.Compare}, status: protocol.Miss},

			{request: r{Command: protocol.Set, Key: "k", Value: []byte("b"), Flags: 7}, status: protocol.OK},
			{request: r{Command: protocol.Add, Key: "k", Value: []byte("x")}, status: protocol.NotStored},
			{request: r{Command: protocol.Append, Key: "k", Value: []byte("c")}, status: protocol.OK},
			{request: r{Command: protocol.Prepend, Key: "k", Value: []byte("a")}, status: protocol.OK},
			{request: r{Command: protocol.Get, Key: "k"}, status: protocol.OK, value: "abc"},
			{request: r{Command: protocol.GetAndTouch, Key: "k", Exptime: 100}, status: protocol.OK, value: "abc"},
			{request: r{Command: protocol.Touch, Key: "k", Exptime: 100}, status: protocol.OK},
			{request: r{Command: protocol.Set, Key: "k", CAS: 9999, Meta: protocol.Compare}, status: protocol.Exists},
			{request: r{Command: protocol.Replace, Key: "k", Value: []byte("9")}, status: protocol.OK},
			{request: r{Command: protocol.Delete, Key: "k"}, status: protocol.OK},
			{request: r{Command: protocol.Add, Key: "k", Value: []byte("9")}, status: protocol.OK},
			{request: r{Command: protocol.Increment, Key: "k", Delta: 2, Meta: protocol.ReturnValue}, status: protocol.OK, number: 11},
			{request: r{Command: protocol.Decrement, Key: "k", Delta: 20, Meta: protocol.ReturnValue}, status: protocol.OK},
			{request: r{Command: protocol.FlushAll}, status: protocol.OK},
			{request: r{Command: protocol.Get, Key: "k"}, status: protocol.Miss},
			{request: r{Command: protocol.Noop}, status: protocol.OK},
		}
		for _, s := range steps {
			op := do(t.Context(), n, s.request)
			require.NoError(t, op.Err, "%+v", s.request)
			require.Equal(t, s.status, op.Reply.Status, "%+v", s.request)
			if !s.request.Command.IsArithmetic() {
				require.Equal(t, s.value, string(op.Value), "%+v", s.request)
			} else if s.status == protocol.OK {
				require.Equal(t, s.number, numberOf(t, op), "%+v", s.request)
			}
		}
		version := do(t.Context(), n, r{Command: protocol.Version})
		require.NoError(t, version.Err)
		require.Equal(t, "1.6.18", version.Reply.Text)
		stats := do(t.Context(), n, r{Command: protocol.Stats})
		require.NoError(t, stats.Err)
		require.Contains(t, stats.Stats, Stat{"version", "1.6.18"})
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// numberOf returns an arithmetic command's number, which classic text has in its line and meta in a data block.
func numberOf(t *testing.T, op *Op) uint64 {
	if op.Reply.Block < 0 {
		return op.Reply.Number
	}
	number, ok := protocol.ParseNumber(op.Value)
	require.True(t, ok)
	return number
}

func TestCompareAndSwapStoresOnlyOverTheValueThatWasRead(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		mustSet(t, n, "k", "v1")
		read := get(t.Context(), n, "k")
		requireHit(t, read, "v1")
		swap := func() *Op {
			op := &Op{Token: read.Token, Request: protocol.Request{
				Command: protocol.Set, Key: "k", Value: []byte("v2"), CAS: read.Reply.CAS, Meta: protocol.Compare}}
			n.Do(t.Context(), []*Op{op})
			return op
		}
		require.Equal(t, protocol.OK, swap().Reply.Status)
		require.Equal(t, protocol.Exists, swap().Reply.Status)
		requireHit(t, get(t.Context(), n, "k"), "v2")
	})
}

func TestLongestAndLongerKeys(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		longest := strings.Repeat("k", protocol.MaxKeySize)
		mustSet(t, n, longest, "v")
		requireHit(t, get(t.Context(), n, longest), "v")
		for _, key := range []string{"", longest + "k", "a b", "a\r\nb", "a\x00"} {
			requireFailed(t, get(t.Context(), n, key), NotSent, protocol.ErrMalformedKey)
			requireFailed(t, set(t.Context(), n, key, "v"), NotSent, protocol.ErrMalformedKey)
		}
		require.Zero(t, n.Stats().Broken)
	})
}

func TestARefusedRequestDoesNotDial(t *testing.T) {
	n := newTestNode(t, Config{Dial: refuseDial(net.ErrClosed)})
	requireFailed(t, get(t.Context(), n, "bad key"), NotSent, protocol.ErrMalformedKey)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requireFailed(t, get(ctx, n, "k"), NotSent, context.Canceled)
	n.Do(t.Context(), nil)
	require.Zero(t, n.Stats().Dials)
}

// refuseDial is a dialer that always fails.
func refuseDial(err error) DialFunc {
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
}

func TestEveryWayToReachANode(t *testing.T) {
	plain, secured := realnode.Start(t), realnode.StartTLS(t)
	login := realnode.StartAuth(t, "user", "password")
	ways := map[string]Config{
		"TCP":             {Addr: plain.Addr},
		"unix socket":     {Addr: realnode.StartUnix(t).Addr},
		"TLS":             {Addr: secured.Addr, TLS: secured.TLS},
		"authentication":  {Addr: login.Addr, Username: "user", Password: "password"},
		"injected dialer": {Addr: "elsewhere:1", Dial: dialTo(plain.Addr)},
		"fake, pipe":      pipeConfig(startFake(t, memcachetest.WithPipe())),
		"fake, unix":      {Addr: startFake(t, memcachetest.WithUnixSocket(filepath.Join(t.TempDir(), "s"))).Addr()},
		"two connections": {Addr: plain.Addr, Conns: 2},
	}
	for name, cfg := range ways {
		t.Run(name, func(t *testing.T) {
			cfg.Timeout, cfg.DialTimeout = 20*time.Second, 20*time.Second
			n := newTestNode(t, cfg)
			requireMiss(t, get(t.Context(), n, "nothing"))
			mustSet(t, n, "k", strings.Repeat("v", 100_000))
			requireHit(t, get(t.Context(), n, "k"), strings.Repeat("v", 100_000))
			require.Equal(t, Up, n.Stats().State)
		})
	}
}

func dialTo(addr string) DialFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}

func pipeConfig(s *memcachetest.Server) Config {
	return Config{Addr: s.Addr(), Dial: s.DialContext}
}

func TestIPv6Loopback(t *testing.T) {
	probe, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 loopback here: ", err)
	}
	probe.Close()
	n := newTestNode(t, patient(startFake(t, memcachetest.WithTCPAddr("[::1]:0")).Addr()))
	mustSet(t, n, "k", "v")
	requireHit(t, get(t.Context(), n, "k"), "v")
}

// A login that fails is a node that is down, and says why. A server without -Y takes any login for a value.
func TestAuthentication(t *testing.T) {
	login, open := realnode.StartAuth(t, "user", "password"), realnode.Start(t)
	fake := startFake(t, memcachetest.WithAuth("user", "password"))
	tests := map[string]struct {
		addr, user, password string
		err                  error
	}{
		"right":               {login.Addr, "user", "password", nil},
		"right, fake":         {fake.Addr(), "user", "password", nil},
		"wrong":               {login.Addr, "user", "guess", ErrAuth},
		"wrong, fake":         {fake.Addr(), "user", "guess", ErrAuth},
		"none, but wanted":    {login.Addr, "", "", ErrAuth},
		"given, not wanted":   {open.Addr, "user", "password", nil},
		"would break the set": {login.Addr, "user", "a\r\nb", protocol.ErrInvalidRequest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := patient(test.addr)
			cfg.Username, cfg.Password = test.user, test.password
			n := newTestNode(t, cfg)
			op := set(t.Context(), n, "k", "v")
			if test.err == nil {
				require.NoError(t, op.Err)
				return
			}
			requireFailed(t, op, NotSent, test.err)
			requireFailed(t, op, NotSent, ErrNodeDown)
			require.Equal(t, Down, n.Stats().State)
		})
	}
}

func TestTLSChecksTheName(t *testing.T) {
	secured := realnode.StartTLS(t)
	trust := secured.TLS.Clone()
	trust.ServerName = ""
	for name, good := range map[string]bool{secured.Addr: true, "other.example:11211": false} {
		cfg := patient(secured.Addr)
		cfg.Name, cfg.TLS = name, trust
		op := get(t.Context(), newTestNode(t, cfg), "k")
		if good {
			requireMiss(t, op)
			continue
		}
		requireFailed(t, op, NotSent, ErrNodeDown)
		var invalid *tls.CertificateVerificationError
		require.ErrorAs(t, op.Err, &invalid)
	}
	require.Empty(t, trust.ServerName, "the caller's configuration was changed")
}

func TestPlainClientAtTLSServerFails(t *testing.T) {
	cfg := Config{Addr: realnode.StartTLS(t).Addr, Timeout: 20 * time.Second, DialTimeout: 200 * time.Millisecond}
	op := get(t.Context(), newTestNode(t, cfg), "k")
	requireFailed(t, op, NotSent, ErrNodeDown)
}
