package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// A service connects before it says that it is ready. A node that does not answer need not keep it from that.
func ExampleClient_Warmup() {
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := client.Warmup(ctx); err != nil {
		log.Print("some nodes do not answer: ", err)
	}
	fmt.Println(client.Stats().Nodes[0].State)
	// Output: up
}

func TestWarmupOpensEveryConnection(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), memcache.WithConnections(4))
		require.NoError(t, c.Warmup(t.Context()))
		for _, n := range c.Stats().Nodes {
			require.Equal(t, 4, n.Conns)
			require.Equal(t, uint64(4), n.Dials)
		}
		require.NoError(t, c.Warmup(t.Context()))
		for _, n := range c.Stats().Nodes {
			require.Equal(t, uint64(4), n.Dials, "there was nothing to do")
		}
		servers[1].kill()
		err := c.Warmup(t.Context())
		var op *memcache.OpError
		require.ErrorAs(t, err, &op)
		require.Equal(t, servers[1].addr(), op.Node)
		require.NotContains(t, err.Error(), servers[0].addr())
		require.NotContains(t, err.Error(), servers[2].addr())
	})
}

// Dials that take longer than a try are waited for, all nodes at once; nodes that do not answer are told, by name.
func TestWarmupWaitsForDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memcachetest.NewServer(memcachetest.WithPipeAddr("slow:1"))
		defer s.Close()
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			switch addr {
			case "slow:1":
				time.Sleep(200 * time.Millisecond)
				return s.DialContext(ctx, network, addr)
			case "refuses:1":
				return nil, errors.New("refused")
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		c := newClient(t, memcache.WithServers("slow:1", "refuses:1", "silent:1"), memcache.WithDialer(dial))
		start := time.Now()
		err := c.Warmup(t.Context())
		require.Less(t, time.Since(start), 400*time.Millisecond)
		require.ErrorContains(t, err, "refuses:1")
		require.ErrorContains(t, err, "silent:1")
		require.NotContains(t, err.Error(), "slow:1")

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		hurried := newClient(t, memcache.WithServers("slow:1"), memcache.WithDialer(dial))
		require.ErrorIs(t, hurried.Warmup(ctx), context.DeadlineExceeded)
	})
}

// A node that has just come back is not called down by Ping and Warmup because it was so a moment ago, nor is one that has been
// back for long. One that is still down is named, with what its next dial came to.
func TestPingAndWarmupDialNodesThatAreDown(t *testing.T) {
	for name, ask := range map[string]func(*memcache.Client, context.Context) error{
		"Ping": (*memcache.Client).Ping, "Warmup": (*memcache.Client).Warmup,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				back, gone := memcachetest.NewServer(memcachetest.WithPipe()), memcachetest.NewServer(memcachetest.WithPipe())
				defer back.Close()
				defer gone.Close()
				c := newClient(t, memcache.WithServers(back.Addr(), gone.Addr()), memcache.WithDialer(memcachetest.Dialer(back, gone)))
				require.NoError(t, ask(c, t.Context()))
				for _, after := range []time.Duration{0, time.Second, time.Hour} {
					back.Kill()
					gone.Kill()
					require.Error(t, ask(c, t.Context()))
					time.Sleep(after)
					back.Start()
					start := time.Now()
					err := ask(c, t.Context())
					require.Less(t, time.Since(start), 500*time.Millisecond)
					require.ErrorIs(t, err, memcache.ErrNodeDown)
					require.ErrorContains(t, err, gone.Addr())
					require.NotContains(t, err.Error(), back.Addr())
					gone.Start()
					require.NoError(t, ask(c, t.Context()))
				}
			})
		})
	}
}

// Waiting for dials ends with the context and with the client.
func TestPingOfANodeThatIsDownEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memcachetest.NewServer(memcachetest.WithPipe())
		s.Close()
		c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithDialer(s.DialContext))
		require.ErrorIs(t, c.Ping(t.Context()), memcache.ErrNodeDown)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, c.Ping(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Millisecond, time.Since(start))
		pinged := make(chan error)
		go func() { pinged <- c.Ping(t.Context()) }()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-pinged, memcache.ErrClosed)
		require.Equal(t, time.Millisecond, time.Since(start))
	})
}

func TestWarmupWithoutNodes(t *testing.T) {
	c := newClient(t, memcache.WithServers("10.0.0.1"))
	require.NoError(t, c.Close())
	require.ErrorIs(t, c.Warmup(t.Context()), memcache.ErrClosed)
}
