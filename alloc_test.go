package memcache_test

import (
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// What an operation allocates at most, on a client that is connected, against another process, so that only the
// client's allocations count.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	addrs := []string{realnode.Start(t).Addr, realnode.Start(t).Addr, realnode.Start(t).Addr}
	for name, opts := range map[string][]memcache.Option{
		"sharded":    {memcache.WithServers(addrs...)},
		"sharded2":   {memcache.WithServers(addrs...), memcache.WithSharded(2)},
		"replicated": {memcache.WithServers(addrs...), memcache.WithReplicated(), memcache.WithLocal(addrs[1])},
		"zoned":      {memcache.WithZone("a", addrs[0]), memcache.WithZone("b", addrs[1:]...), memcache.WithLocal("b")},
		"text":       {memcache.WithServers(addrs...), memcache.WithTextProtocol()},
		"binary":     {memcache.WithServers(addrs...), memcache.WithBinaryKeys()},
		"ruled":      {memcache.WithServers(addrs...), memcache.WithRule("k", addrs...)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, append(opts, memcache.WithTimeout(longTimeout))...)
			ctx := t.Context()
			it := &memcache.Item{Key: "k", Value: []byte("1"), TTL: time.Minute}
			buf := make([]byte, 0, 1024)
			for _, op := range []struct {
				name string
				most float64
				call func() error
			}{
				{"Set", 0, func() error { return c.Set(ctx, it) }},
				{"AppendGet", 0, func() error { _, err := c.AppendGet(ctx, buf, "k"); return err }},
				{"Get", 2, func() error { _, err := c.Get(ctx, "k"); return err }},
				{"GetForUpdate", 2, func() error { _, err := c.GetForUpdate(ctx, "k"); return err }},
				{"GetAndTouch", 2, func() error { _, err := c.GetAndTouch(ctx, "k", time.Minute); return err }},
				{"Touch", 0, func() error { return c.Touch(ctx, "k", time.Minute) }},
				{"Increment", 0, func() error { _, err := c.Increment(ctx, "k", 1); return err }},
				{"Decrement", 0, func() error { _, err := c.Decrement(ctx, "k", 1); return err }},
				{"Append", 0, func() error { return c.Append(ctx, it) }},
				{"Replace", 0, func() error { return c.Replace(ctx, it) }},
				{"Add and Delete", 0, func() error {
					if err := c.Delete(ctx, "k"); err != nil {
						return err
					}
					return c.Add(ctx, it)
				}},
			} {
				require.NoError(t, op.call(), op.name) // connected
				n := testing.AllocsPerRun(200, func() {
					if err := op.call(); err != nil {
						t.Fatal(op.name, err)
					}
				})
				require.LessOrEqual(t, n, op.most, op.name)
			}
		})
	}
}

// TestGetMultiAllocatesLittle: a hundred small values are not a hundred allocations.
func TestGetMultiAllocatesLittle(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	addrs := []string{realnode.Start(t).Addr, realnode.Start(t).Addr, realnode.Start(t).Addr}
	c := newClient(t, memcache.WithServers(addrs...), memcache.WithTimeout(longTimeout))
	keys := manyKeys(100)
	fill(t, c, keys)
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		got, err := c.GetMulti(t.Context(), keys)
		if err != nil || len(got) != len(keys) {
			t.Fatal(len(got), err)
		}
	}), 20.0)
}
