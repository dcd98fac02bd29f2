package memcache

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// cluster is some servers on pipes, inside the bubble of a test.
type cluster []*memcachetest.Server

func newCluster(t *testing.T, n int) (c cluster, addrs []string) {
	for range n {
		port := 1 + len(c)
		addr := net.JoinHostPort("127.0.0.1", string(rune('0'+port)))
		s := memcachetest.NewServer(memcachetest.WithPipeAddr(addr))
		t.Cleanup(s.Close)
		c, addrs = append(c, s), append(addrs, addr)
	}
	return c, addrs
}

// dial connects to the server of that address.
func (c cluster) dial(ctx context.Context, network, address string) (net.Conn, error) {
	for _, s := range c {
		if s.Addr() == address {
			return s.DialContext(ctx, network, address)
		}
	}
	return nil, errors.New("no such server")
}

func (c cluster) open() (n []int) {
	synctest.Wait()
	for _, s := range c {
		n = append(n, s.Stats().CurrConnections)
	}
	return n
}

// in runs test in a bubble, where a goroutine left behind fails it.
func in(t *testing.T, servers int, test func(*testing.T, cluster, *ServerList, *Client)) {
	synctest.Test(t, func(t *testing.T) {
		c, addrs := newCluster(t, servers)
		list := new(ServerList)
		require.NoError(t, list.SetServers(addrs...))
		client := NewFromSelector(list)
		client.DialContext = c.dial
		defer client.Close()
		test(t, c, list, client)
	})
}

// useAll makes the client use every server that the selector names.
func useAll(t *testing.T, c *Client) {
	t.Helper()
	require.NoError(t, c.Ping())
}

func TestConnectionsAreMadeWhenNeeded(t *testing.T) {
	in(t, 3, func(t *testing.T, servers cluster, _ *ServerList, c *Client) {
		require.Equal(t, []int{0, 0, 0}, servers.open())
		for range 10 {
			require.NoError(t, c.Set(&Item{Key: "k"}))
		}
		require.ElementsMatch(t, []int{0, 0, 1}, servers.open())
		useAll(t, c)
		require.Equal(t, []int{1, 1, 1}, servers.open())
	})
}

// A server that left the list loses its connection, in a minute at the latest and not at once: operations may be on
// their way to it. One that is named keeps it, however idle.
func TestServersThatLeftAreClosed(t *testing.T) {
	in(t, 3, func(t *testing.T, servers cluster, list *ServerList, c *Client) {
		useAll(t, c)
		require.NoError(t, list.SetServers(servers[0].Addr(), servers[1].Addr()))
		require.Equal(t, []int{1, 1, 1}, servers.open())
		time.Sleep(2*sweepEvery + 4*DefaultTimeout)
		require.Equal(t, []int{1, 1, 0}, servers.open())

		require.NoError(t, list.SetServers(servers[2].Addr()))
		useAll(t, c)
		require.Equal(t, []int{1, 1, 1}, servers.open())
		time.Sleep(2*sweepEvery + 4*DefaultTimeout)
		require.Equal(t, []int{0, 0, 1}, servers.open())
	})
}

// A server that Each forgets to name stays as long as it is picked.
func TestUsedServersStay(t *testing.T) {
	in(t, 1, func(t *testing.T, servers cluster, list *ServerList, _ *Client) {
		c := NewFromSelector(unnamed{list})
		c.DialContext = servers.dial
		defer c.Close()
		for range 20 {
			require.NoError(t, c.Set(&Item{Key: "k"}))
			time.Sleep(sweepEvery / 2)
		}
		require.Equal(t, 1, servers[0].Stats().TotalConnections)
		time.Sleep(3 * sweepEvery)
		require.Equal(t, []int{0}, servers.open())
		require.NoError(t, c.Set(&Item{Key: "k"}))
	})
}

type unnamed struct{ ServerSelector }

func (unnamed) Each(func(net.Addr) error) error { return nil }

// A client that nobody uses has no timer that would keep it in memory.
func TestAnIdleClientIsForgotten(t *testing.T) {
	in(t, 1, func(t *testing.T, servers cluster, list *ServerList, _ *Client) {
		var gone atomic.Bool
		func() {
			c := NewFromSelector(list)
			c.DialContext = servers.dial
			useAll(t, c)
			runtime.AddCleanup(c, func(struct{}) { gone.Store(true) }, struct{}{})
		}()
		time.Sleep(3 * sweepEvery)
		for range 20 {
			if runtime.GC(); gone.Load() {
				return
			}
		}
		t.Fatal("still in memory")
	})
}

func TestCloseAndUseAgain(t *testing.T) {
	in(t, 2, func(t *testing.T, servers cluster, list *ServerList, c *Client) {
		require.NoError(t, c.Close()) // never used
		for range 3 {
			useAll(t, c)
			require.Equal(t, []int{1, 1}, servers.open())
			require.NoError(t, c.Close())
			require.NoError(t, c.Close())
			require.Equal(t, []int{0, 0}, servers.open())
		}
		// Servers on their way out are closed too.
		useAll(t, c)
		require.NoError(t, list.SetServers(servers[0].Addr()))
		time.Sleep(sweepEvery)
		useAll(t, c)
		time.Sleep(sweepEvery + DefaultTimeout)
		require.Equal(t, []int{1, 1}, servers.open())
		require.NoError(t, c.Close())
		require.Equal(t, []int{0, 0}, servers.open())
	})
}

// Close ends what is under way.
func TestCloseDuringAnOperation(t *testing.T) {
	in(t, 1, func(t *testing.T, servers cluster, _ *ServerList, c *Client) {
		useAll(t, c)
		servers[0].Pause()
		result := make(chan error)
		go func() {
			_, err := c.Get("k")
			result <- err
		}()
		synctest.Wait()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-result, memcache.ErrClosed)
		servers[0].Resume()
		useAll(t, c)
	})
}

// A Timeout that was set after the client was used counts from the next operation on.
func TestTimeoutMayChange(t *testing.T) {
	in(t, 1, func(t *testing.T, servers cluster, _ *ServerList, c *Client) {
		useAll(t, c)
		servers[0].Pause()
		for _, test := range []struct{ set, want time.Duration }{
			{0, DefaultTimeout}, {time.Second, time.Second}, {50 * time.Millisecond, 50 * time.Millisecond}, {0, DefaultTimeout},
		} {
			c.Timeout = test.set
			began := time.Now()
			_, err := c.Get("k")
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout(), err)
			require.InDelta(t, test.want, time.Since(began), float64(test.want/10+10*time.Millisecond))
		}
		servers[0].Resume()
		c.Timeout = 1<<63 - 1 // as good as none
		useAll(t, c)
		c.Timeout = -1
		require.Error(t, c.Ping())
		c.Timeout = 0
		useAll(t, c)
		time.Sleep(time.Minute)
		require.Len(t, c.nodes.all(), 1)
	})
}

// DialContext is read when a server is first picked.
func TestDialContextAfterClose(t *testing.T) {
	in(t, 2, func(t *testing.T, servers cluster, _ *ServerList, c *Client) {
		useAll(t, c)
		c.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, nil }
		useAll(t, c)
		require.NoError(t, c.Close())
		require.ErrorIs(t, c.Ping(), errNoConn)
	})
}
