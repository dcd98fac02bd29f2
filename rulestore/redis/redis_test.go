package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/rulestore"
)

// server is a Redis that a test can take away, and let time pass for.
type server struct {
	addr string
	stop func()
	pass func(time.Duration)
}

// onBoth runs a test on miniredis and on a real redis-server.
func onBoth(t *testing.T, test func(*testing.T, *server)) {
	t.Run("miniredis", func(t *testing.T) {
		m := miniredis.RunT(t)
		test(t, &server{m.Addr(), m.Close, m.FastForward})
	})
	t.Run("redis-server", func(t *testing.T) {
		s := startRedis(t)
		raw := s.client(t)
		s.pass = func(d time.Duration) { shorten(t, raw, d) }
		test(t, s)
	})
}

// shorten lets all keys expire earlier: the clock of a real server cannot be moved.
func shorten(t *testing.T, c *goredis.Client, d time.Duration) {
	keys, err := c.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, k := range keys {
		left, err := c.PTTL(t.Context(), k).Result()
		require.NoError(t, err)
		require.Positive(t, left)
		require.NoError(t, c.PExpire(t.Context(), k, left-d).Err()) // not positive: deletes it
	}
}

// startRedis runs a redis-server on a free loopback port for the length of t.
func startRedis(t *testing.T) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed")
		}
		fmt.Fprintf(os.Stderr, "\nSKIPPED %s: redis-server is not installed\n\n", t.Name())
		t.Skip("redis-server is not installed")
	}
	for range 5 { // somebody may take the port before redis does
		if s := launch(t, path); s != nil {
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func launch(t *testing.T, path string) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	stop := sync.OnceFunc(func() { cmd.Process.Kill(); <-ended })
	t.Cleanup(stop)
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	defer client.Close()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if client.Ping(t.Context()).Err() == nil {
			return &server{addr: addr, stop: stop}
		}
		select {
		case <-ended:
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func (s *server) client(t *testing.T) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: s.addr, MaxRetries: -1, DialTimeout: time.Second})
	t.Cleanup(func() { c.Close() })
	return c
}

func table(t *testing.T, epoch uint64, keys ...string) *hotkey.Table {
	t.Helper()
	var rules []hotkey.Rule
	for _, k := range keys {
		rules = append(rules, hotkey.Rule{Key: k, Action: hotkey.Action{Kind: hotkey.Keep}})
	}
	made, err := hotkey.NewTable(hotkey.Header{Epoch: epoch, Controller: "tester"}, rules)
	require.NoError(t, err)
	return made
}

func keysOf(t *hotkey.Table) (keys []string) {
	for r := range t.Rules() {
		keys = append(keys, r.Key)
	}
	return keys
}

func TestStore(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		ctx, raw := t.Context(), s.client(t)
		a, b := New(s.client(t), "rules"), New(s.client(t), "rules")
		_, err := a.Load(ctx)
		require.ErrorIs(t, err, rulestore.ErrNoTable)

		first := table(t, 1, "k")
		require.NoError(t, a.Publish(ctx, hotkey.Header{}, first))
		found, err := b.Load(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"k"}, keysOf(found))
		again, err := b.Load(ctx)
		require.NoError(t, err)
		require.Same(t, found, again, "nothing has changed")

		require.ErrorIs(t, b.Publish(ctx, hotkey.Header{}, table(t, 2, "l")), rulestore.ErrConflict)
		require.ErrorIs(t, b.Publish(ctx, first.Header(), first), rulestore.ErrConflict)
		require.NoError(t, b.Publish(ctx, first.Header(), table(t, 2, "l")))
		found, err = a.Load(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"l"}, keysOf(found))

		for _, bad := range []string{"", "nonsense", `{"rules": [{"key": "k", "do": "explode"}]}`, strings.Repeat(" ", hotkey.MaxTableSize+1)} {
			require.NoError(t, raw.Set(ctx, "rules", bad, 0).Err())
			for range 2 {
				found, err = a.Load(ctx)
				require.ErrorIs(t, err, hotkey.ErrBadTable)
				require.Nil(t, found)
			}
		}
		require.NoError(t, b.Publish(ctx, first.Header(), table(t, 2, "l")), "what is not valid is replaced")
		found, err = a.Load(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"l"}, keysOf(found))

		require.NoError(t, raw.Del(ctx, "rules").Err())
		require.NoError(t, raw.LPush(ctx, "rules", "no string").Err())
		_, err = a.Load(ctx)
		require.ErrorContains(t, err, "WRONGTYPE")
	})
}

func TestUpdatesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		var wg sync.WaitGroup
		const writers, each = 3, 3
		for w := range writers {
			store := New(s.client(t), "rules")
			wg.Go(func() {
				for i := range each {
					for {
						_, err := rulestore.Update(t.Context(), store, fmt.Sprint(w), func(d *rulestore.Draft) error {
							d.Rules = append(d.Rules, slices.Collect(table(t, 1, fmt.Sprintf("%d-%d", w, i)).Rules())...)
							return nil
						})
						if err == nil {
							break
						}
						if !assert.ErrorIs(t, err, rulestore.ErrConflict) {
							return
						}
					}
				}
			})
		}
		wg.Wait()
		found, err := New(s.client(t), "rules").Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, writers*each, found.Len())
		require.Equal(t, uint64(writers*each), found.Header().Epoch)
	})
}

// A follower sees a change at once; when the server goes, its table stays.
func TestFollower(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		store := New(s.client(t), "rules")
		f, err := rulestore.NewFollower(rulestore.Config{Store: store})
		require.NoError(t, err)
		tables := make(chan *hotkey.Table, 10)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx, func(t *hotkey.Table) { tables <- t }) }()

		raw := s.client(t)
		require.Eventually(t, func() bool {
			n, err := raw.PubSubNumSub(ctx, "rules:changed").Result()
			return err == nil && n["rules:changed"] == 1
		}, 5*time.Second, 5*time.Millisecond)
		require.Empty(t, keysOf(<-tables), "the store has answered that there is none")
		before := hotkey.Header{}
		for epoch := uint64(1); epoch <= 5; epoch++ {
			made := table(t, epoch, fmt.Sprint(epoch))
			start := time.Now()
			require.NoError(t, store.Publish(ctx, before, made))
			before = made.Header()
			require.Equal(t, []string{fmt.Sprint(epoch)}, keysOf(<-tables))
			if epoch > 1 {
				require.Less(t, time.Since(start), 1500*time.Millisecond, "it was the poll that saw the change")
			}
		}
		s.stop()
		require.Eventually(t, func() bool { return f.Status().Failures > 0 }, 10*time.Second, 10*time.Millisecond)
		require.Equal(t, []string{"5"}, keysOf(f.Table()))
		require.Empty(t, tables)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestNotifyEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		client := s.client(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		stands := make(chan struct{}, 1)
		go func() { ended <- New(client, "rules").Notify(ctx, func() { stands <- struct{}{} }) }()
		<-stands
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

func TestLease(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		ctx := t.Context()
		l, other := NewLease(s.client(t), "lease"), NewLease(s.client(t), "lease")
		hold := func(l *Lease, id string) bool {
			held, err := l.Hold(ctx, id)
			require.NoError(t, err)
			return held
		}
		require.True(t, hold(l, "a"))
		require.False(t, hold(other, "b"))
		s.pass(3 * time.Second)
		require.True(t, hold(l, "a"))
		s.pass(3 * time.Second)
		require.False(t, hold(other, "b"), "a has renewed it")
		require.NoError(t, other.Release(ctx, "b"))
		require.False(t, hold(other, "b"), "it was not b's to release")
		s.pass(rulestore.LeaseTime)
		require.True(t, hold(other, "b"))
		require.False(t, hold(l, "a"))
		require.NoError(t, other.Release(ctx, "b"))
		require.True(t, hold(l, "a"))
		s.stop()
		_, err := l.Hold(ctx, "a")
		require.Error(t, err)
		require.Error(t, l.Release(ctx, "a"))
		_, err = New(s.client(t), "rules").Load(ctx)
		require.Error(t, err)
		require.False(t, errors.Is(err, rulestore.ErrNoTable), "nobody has said so")
	})
}

// Programs that do not ask for Redis are spared its client.
func TestOthersDoNotLinkTheClient(t *testing.T) {
	for _, other := range []string{"github.com/nohop/memcache", "github.com/nohop/memcache/rulestore"} {
		deps, err := exec.Command("go", "list", "-deps", other).Output()
		require.NoError(t, err)
		require.Contains(t, string(deps), "github.com/nohop/memcache/protocol")
		require.NotContains(t, string(deps), "redis")
	}
}

// Publish reads no more than a table can have of what is under the key.
func TestPublishReadsNoMoreThanATable(t *testing.T) {
	onBoth(t, func(t *testing.T, s *server) {
		require.NoError(t, s.client(t).Set(t.Context(), "rules", strings.Repeat(" ", 8*hotkey.MaxTableSize), 0).Err())
		var read atomic.Int64
		client := goredis.NewClient(&goredis.Options{
			Addr: s.addr, MaxRetries: -1,
			Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return &countingConn{conn, &read}, err
			},
		})
		t.Cleanup(func() { client.Close() })
		require.NoError(t, New(client, "rules").Publish(t.Context(), hotkey.Header{}, table(t, 1, "k")))
		require.Less(t, read.Load(), int64(2*hotkey.MaxTableSize))
		found, err := New(client, "rules").Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"k"}, keysOf(found))
	})
}

// countingConn counts the bytes that are read.
type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
