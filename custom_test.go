package memcache_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	memcache "github.com/nohop/memcache"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

func TestWithRouteRefuses(t *testing.T) {
	tree := func(n memcache.Nodes) (route.Route, error) { return n.Members[0].Route, nil }
	for name, opts := range map[string][]memcache.Option{
		"no function":   {memcache.WithRoute(nil)},
		"with preset":   {memcache.WithRoute(tree), memcache.WithReplicated()},
		"with a rule":   {memcache.WithRoute(tree), memcache.WithRule("k", "10.0.0.1")},
		"without nodes": {memcache.WithRoute(tree)},
	} {
		if name != "without nodes" {
			opts = append(opts, memcache.WithServers("10.0.0.1"))
		}
		_, err := memcache.New(opts...)
		require.Error(t, err, name)
	}
	broken := errors.New("broken")
	_, err := memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithRoute(func(memcache.Nodes) (route.Route, error) { return nil, broken }))
	require.ErrorIs(t, err, broken)
	neither := func(memcache.Nodes) (route.Route, error) { return nil, nil }
	_, err = memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithRoute(neither))
	require.ErrorIs(t, err, memcache.ErrBadOption)
}

// answers is a resolver whose answer can be changed.
type answers struct{ list atomic.Pointer[[]string] }

func (a *answers) LookupNetIP(context.Context, string, string) (ips []netip.Addr, err error) {
	for _, addr := range *a.list.Load() {
		ips = append(ips, netip.MustParseAddr(addr))
	}
	return ips, nil
}

func (a *answers) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no SRV records here")
}

// unreachable is a route that fails everything.
type unreachable struct{ _ byte }

func (*unreachable) Do(_ context.Context, ops []*route.Op) {
	for _, op := range ops {
		op.Settle(nil, errors.New("reached"))
	}
}

// When the nodes change the tree is built again; if that fails the last one stays.
func TestWithRouteFollowsTheNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := &answers{}
		names.list.Store(&[]string{"10.0.0.1"})
		var built []int
		c, err := memcache.New(
			memcache.WithServers("dns+cache:11211"), memcache.WithResolver(names, time.Second),
			memcache.WithRoute(func(n memcache.Nodes) (route.Route, error) {
				built = append(built, len(n.Members))
				if len(n.Members) > 2 {
					return nil, errors.New("too many")
				}
				return &unreachable{}, nil
			}))
		require.NoError(t, err)
		defer c.Close()
		for _, list := range [][]string{{"10.0.0.1", "10.0.0.2"}, {"10.0.0.1", "10.0.0.2", "10.0.0.3"}} {
			names.list.Store(&list)
			time.Sleep(1300 * time.Millisecond) // of the bubble's clock
			synctest.Wait()
		}
		require.Equal(t, []int{1, 2, 3}, built)
		require.Len(t, c.Stats().Nodes, 2, "the last good view")
		_, err = c.Get(t.Context(), "k")
		require.ErrorContains(t, err, "reached")
	})
}
