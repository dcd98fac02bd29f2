package memcache_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	servers := memcache.WithServers("a:1", "b:1")
	zone := memcache.WithZone("z", "c:1")
	type options = []memcache.Option
	for name, opts := range map[string]options{
		"no option":                {servers, nil},
		"bad address":              {memcache.WithServers("a:1", "b:0")},
		"the same server twice":    {memcache.WithServers("a:1", "a:1")},
		"in two calls":             {memcache.WithServers("a:11211"), memcache.WithServers("a")},
		"in another spelling":      {memcache.WithServers("/run/a", "unix:/run/a")},
		"in two zones":             {memcache.WithZone("x", "a:1"), memcache.WithZone("y", "a:1")},
		"the same name twice":      {memcache.WithServers("dns+a:1", "dns+a:1")},
		"zone without name":        {memcache.WithZone("", "a:1")},
		"zone without servers":     {memcache.WithZone("z")},
		"zone with a bad address":  {memcache.WithZone("z", "a:0")},
		"servers and zones":        {servers, zone},
		"zones and servers":        {zone, servers},
		"zones replicated":         {zone, memcache.WithReplicated()},
		"replicated zones":         {memcache.WithReplicated(), zone},
		"zones sharded":            {zone, memcache.WithSharded(1)},
		"zoned and replicated":     {servers, memcache.WithZoned(), memcache.WithReplicated()},
		"nil source":               {servers, memcache.WithDiscovery(nil)},
		"replicated and sharded":   {servers, memcache.WithReplicated(), memcache.WithSharded(2)},
		"sharded and replicated":   {servers, memcache.WithSharded(2), memcache.WithReplicated()},
		"two numbers of replicas":  {servers, memcache.WithSharded(2), memcache.WithSharded(1)},
		"no replicas":              {servers, memcache.WithSharded(0)},
		"timeout 0":                {servers, memcache.WithTimeout(0)},
		"timeout negative":         {servers, memcache.WithTimeout(-time.Second)},
		"maximum value 0":          {servers, memcache.WithMaxValue(0)},
		"no connections":           {servers, memcache.WithConnections(0)},
		"no resolver":              {servers, memcache.WithResolver(nil, time.Second)},
		"resolver interval 0":      {servers, memcache.WithResolver(&fakeDNS{}, 0)},
		"no TLS configuration":     {servers, memcache.WithTLS(nil)},
		"a rule that expires":      {servers, memcache.WithKeyRules(hotkey.Rule{Key: "k", Action: hotkey.Action{Kind: hotkey.Deny}, Expires: time.Now().Add(time.Hour)})},
		"no dialer":                {servers, memcache.WithDialer(nil)},
		"user without password":    {servers, memcache.WithAuth("user", "")},
		"password without user":    {servers, memcache.WithAuth("", "password")},
		"user with a space":        {servers, memcache.WithAuth("a user", "password")},
		"password with a newline":  {servers, memcache.WithAuth("user", "pass\r\nword")},
		"password too long":        {servers, memcache.WithAuth("user", strings.Repeat("x", 2000))},
		"variable not set":         {servers, memcache.WithLocalEnv("NOHOP_TEST_NOT_SET")},
		"hot keys and none":        {servers, memcache.WithHotKeys(hotkey.Options{}), memcache.WithoutHotKeys()},
		"no hot keys and some":     {servers, memcache.WithoutHotKeys(), memcache.WithHotKeys(hotkey.Options{})},
		"a policy for nothing":     {servers, memcache.WithoutHotKeys(), memcache.WithHotKeyPolicy(hotkey.Policy{})},
		"a policy, no remedies":    {servers, memcache.WithHotKeyPolicy(hotkey.Policy{}), memcache.WithoutRemedies()},
		"no remedies, a policy":    {servers, memcache.WithoutRemedies(), memcache.WithHotKeyPolicy(hotkey.Policy{})},
		"rule without nodes":       {servers, memcache.WithRule("secret")},
		"rule with a bad address":  {servers, memcache.WithRule("secret", "a:0")},
		"rule with an empty node":  {servers, memcache.WithRule("secret", "")},
		"rule with an unknown one": {servers, memcache.WithRule("secret", "a:1", "c:1")},
		"rule with another port":   {servers, memcache.WithRule("secret", "a")},
		"rule with a node twice":   {memcache.WithServers("a", "b"), memcache.WithRule("secret", "a", "a:11211")},
		"two rules for a key":      {servers, memcache.WithRule("secret", "a:1"), memcache.WithRule("secret", "b:1")},
		"pin to an unknown node":   {servers, pinned("a:1", "c:1")},
		"pin of another port":      {servers, pinned("a")},
		"spread to an unknown one": {servers, ruled(hotkey.Action{Kind: hotkey.Spread, Nodes: []string{"a:1", "c:1"}})},
		"rule for no key":          {servers, memcache.WithRule("", "a:1")},
		"rule for a binary key":    {servers, memcache.WithRule("secret key", "a:1")},
		"rule for a long key":      {servers, memcache.WithRule(strings.Repeat("secret", 50), "a:1")},
		"long binary key":          {servers, memcache.WithBinaryKeys(), memcache.WithRule(strings.Repeat("secret ", 30), "a:1")},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := memcache.New(opts...)
			require.ErrorIs(t, err, memcache.ErrBadOption)
			require.NotContains(t, err.Error(), "secret")
			require.Nil(t, c)
		})
	}
	for name, opts := range map[string]options{
		"nothing":            nil,
		"no servers":         {memcache.WithServers()},
		"a topology of none": {memcache.WithReplicated()},
		"a rule of none":     {memcache.WithRule("secret", "a:1")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := memcache.New(opts...)
			require.ErrorIs(t, err, memcache.ErrNoServers)
		})
	}
}

// ruled is a rule of WithKeyRules for one key.
func ruled(a hotkey.Action) memcache.Option {
	return memcache.WithKeyRules(hotkey.Rule{Key: "secret", Action: a})
}

// pinned is a rule that pins a key to nodes.
func pinned(nodes ...string) memcache.Option {
	return ruled(hotkey.Action{Kind: hotkey.Pin, Nodes: nodes})
}

func TestNewAccepts(t *testing.T) {
	t.Setenv("NOHOP_TEST_HOST_IP", "10.0.0.1")
	policy, keep := memcache.WithHotKeyPolicy(hotkey.Policy{}), ruled(hotkey.Action{Kind: hotkey.Keep})
	for name, opts := range map[string][]memcache.Option{
		"options in any order":     {memcache.WithRule("k", "a"), memcache.WithTimeout(time.Second), memcache.WithServers("a:11211")},
		"a local that may join":    {memcache.WithServers("a"), memcache.WithLocal("10.0.0.9")},
		"local from the variable":  {memcache.WithServers("10.0.0.1"), memcache.WithReplicated(), memcache.WithLocalEnv("NOHOP_TEST_HOST_IP")},
		"rule for a binary key":    {memcache.WithRule("a key", "a"), memcache.WithBinaryKeys(), memcache.WithServers("a")},
		"two timeouts":             {memcache.WithServers("a"), memcache.WithTimeout(time.Hour), memcache.WithTimeout(time.Second)},
		"replicas, twice the same": {memcache.WithServers("a"), memcache.WithSharded(2), memcache.WithSharded(2)},
		"a policy for rules":       {memcache.WithServers("a"), keep, memcache.WithoutRemedies(), policy},
		"only rules, and a policy": {memcache.WithServers("a"), keep, memcache.WithoutHotKeys(), policy},
		"rule for a socket":        {memcache.WithServers("/run/a", "unix:/run/b"), memcache.WithRule("k", "unix:///run/a")},
		"pin without a port":       {pinned("b"), memcache.WithServers("a", "b")},
		"long plain key":           {memcache.WithRule(strings.Repeat("k", 250), "a"), memcache.WithBinaryKeys(), memcache.WithServers("a")},
		"more replicas than nodes": {memcache.WithServers("a"), memcache.WithSharded(3)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, opts...)
			require.NotEmpty(t, c.Stats().Nodes)
		})
	}
}

// Options are values: they serve several clients, and what the caller does with its slices later is its own business.
func TestOptionsAreCopied(t *testing.T) {
	addrs, rule := []string{"a:1", "b:1"}, []string{"a:1"}
	opts := []memcache.Option{memcache.WithServers(addrs...), memcache.WithRule("k", rule...)}
	first := newClient(t, opts...)
	second := newClient(t, opts...)
	addrs[0], rule[0] = "broken:0", "broken:0"
	require.Equal(t, first.Stats().Nodes, second.Stats().Nodes)
	require.Len(t, first.Stats().Nodes, 2)
}

// The environment names the local node: it alone is asked.
func TestLocalFromTheEnvironment(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		t.Setenv("NOHOP_TEST_LOCAL", servers[2].addr())
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout),
			memcache.WithLocalEnv("NOHOP_TEST_LOCAL"))
		servers.put(t, "k", "v", 0)
		for range 10 {
			_, err := c.Get(t.Context(), "k")
			require.NoError(t, err)
		}
		require.Equal(t, 10, counter(t, servers[2], "get_hits"))
	})
}

func TestTimeout(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		const timeout = 200 * time.Millisecond
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(timeout))
		require.NoError(t, c.Ping(t.Context()))
		servers[0].pause()
		defer servers[0].resume()
		start := time.Now()
		_, err := c.Get(t.Context(), "secret")
		require.ErrorIs(t, err, memcache.ErrTimeout)
		require.NotContains(t, err.Error(), "secret")
		require.GreaterOrEqual(t, time.Since(start), timeout)
		require.Less(t, time.Since(start), 2*timeout)
		var timedOut net.Error
		require.True(t, errors.As(err, &timedOut) && timedOut.Timeout())
	})
}

// The context's deadline comes before the client's own, and its error with it.
func TestContextDeadline(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Ping(t.Context()))
		for _, s := range servers {
			s.pause()
			defer s.resume()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := c.Get(ctx, "k")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, c.Set(ctx, item("k", "v")), context.DeadlineExceeded)
		_, err = c.GetMulti(ctx, []string{"k", "l"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), time.Second)
	})
}

func TestConnections(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), memcache.WithConnections(3))
		keys := manyKeys(100)
		for _, k := range keys {
			require.NoError(t, c.Set(t.Context(), item(k, k)))
		}
		got, err := c.GetMulti(t.Context(), keys)
		require.NoError(t, err)
		require.Len(t, got, len(keys))
		require.Equal(t, 3, c.Stats().Nodes[0].Conns)
	})
}

func TestMaxValue(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), memcache.WithMaxValue(1000))
		require.NoError(t, c.Set(t.Context(), item("k", strings.Repeat("x", 1000))))
		require.ErrorIs(t, c.Set(t.Context(), item("k", strings.Repeat("x", 1001))), memcache.ErrTooLarge)
		_, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		servers.put(t, "secret", strings.Repeat("x", 1001), 0)
		_, err = c.Get(t.Context(), "secret") // what comes is bounded too
		require.ErrorIs(t, err, memcache.ErrTooLarge)
		require.NotContains(t, err.Error(), "secret")
	})
}

func TestDialects(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		for want, opts := range map[protocol.Dialect][]memcache.Option{
			protocol.DialectOf("1.6.18"): nil, protocol.Text: {memcache.WithTextProtocol()},
		} {
			c := newClient(t, append(opts, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))...)
			require.NoError(t, c.Ping(t.Context()))
			require.Equal(t, want, c.Stats().Nodes[0].Dialect)
		}
	})
}

// TestAServerWithoutMetaCommands is spoken to in classic text, as its version asks for.
func TestAServerWithoutMetaCommands(t *testing.T) {
	s := memcachetest.NewServer(memcachetest.WithoutMeta())
	defer s.Close()
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	it, err := c.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(it.Value))
	require.Equal(t, protocol.DialectOf("1.4.39"), c.Stats().Nodes[0].Dialect)
}

func TestTLS(t *testing.T) {
	node := realnode.StartTLS(t)
	plain, secure := memcache.WithServers(node.Addr), memcache.WithTLS(node.TLS)
	c := newClient(t, plain, secure, memcache.WithTimeout(longTimeout))
	store := func() bool { return c.Set(t.Context(), item("k", "v")) == nil } // a handshake may take too long on a busy machine
	require.Eventually(t, store, longTimeout, 10*time.Millisecond)
	it, err := c.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "v", string(it.Value))

	stranger := newClient(t, plain, memcache.WithTLS(&tls.Config{}), memcache.WithTimeout(longTimeout))
	var unknown *tls.CertificateVerificationError
	require.Eventually(t, func() bool {
		_, err := stranger.Get(t.Context(), "k")
		return errors.As(err, &unknown)
	}, longTimeout, 10*time.Millisecond)
}

func TestAuth(t *testing.T) {
	servers := memcache.WithServers(realnode.StartAuth(t, "user", "password").Addr)
	c := newClient(t, servers, memcache.WithAuth("user", "password"), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	for _, wrong := range [][]memcache.Option{nil, {memcache.WithAuth("user", "secret")}} {
		c := newClient(t, append(wrong, servers, memcache.WithTimeout(longTimeout))...)
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, memcache.ErrAuth)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestUnixSocket(t *testing.T) {
	real := realnode.StartUnix(t)
	fake := memcachetest.NewServer(memcachetest.WithUnixSocket(filepath.Join(filepath.Dir(real.Addr), "fake")))
	defer fake.Close()
	c := newClient(t, memcache.WithServers(real.Addr, fake.Addr()), memcache.WithReplicated(), memcache.WithLocal(fake.Addr()),
		memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	_, err := c.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, 1, fake.Stats().GetHits)
}

func TestDialer(t *testing.T) {
	a, b := memcachetest.NewServer(memcachetest.WithPipe()), memcachetest.NewServer(memcachetest.WithPipe())
	defer a.Close()
	defer b.Close()
	dial, dials := memcachetest.Dialer(a, b), atomic.Int32{}
	c := newClient(t, memcache.WithServers(a.Addr(), b.Addr()), memcache.WithReplicated(), memcache.WithTimeout(longTimeout),
		memcache.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			require.Equal(t, "tcp", network)
			return dial(ctx, network, addr)
		}))
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	require.Equal(t, int32(2), dials.Load())

	refused := errors.New("no way")
	c = newClient(t, memcache.WithServers("a"), memcache.WithDialer(func(context.Context, string, string) (net.Conn, error) {
		return nil, refused
	}))
	_, err := c.Get(t.Context(), "secret")
	require.ErrorIs(t, err, refused)
	require.NotContains(t, err.Error(), "secret")
	_, err = c.Get(t.Context(), "k")
	require.ErrorIs(t, err, memcache.ErrNodeDown)
	require.Equal(t, pool.Down, c.Stats().Nodes[0].State)
}
