package memcache_test

import (
	"testing"

	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// What an operation allocates at most, on a client that is connected, against other processes.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	c := newClient(t, realnode.Start(t).Addr, realnode.Start(t).Addr)
	it := &memcache.Item{Key: "k", Value: []byte("1"), Expiration: 60}
	for _, op := range []struct {
		name string
		most float64
		call func() error
	}{
		{"Set", 0, func() error { return c.Set(it) }},
		{"Get", 2, func() error { _, err := c.Get("k"); return err }},
		{"GetAndTouch", 2, func() error { _, err := c.GetAndTouch("k", 60); return err }},
		{"Touch", 0, func() error { return c.Touch("k", 60) }},
		{"Increment", 0, func() error { _, err := c.Increment("k", 1); return err }},
		{"Decrement", 0, func() error { _, err := c.Decrement("k", 1); return err }},
		{"Append", 0, func() error { return c.Append(it) }},
	} {
		require.NoError(t, op.call(), op.name) // connected
		n := testing.AllocsPerRun(200, func() {
			if err := op.call(); err != nil {
				t.Fatal(op.name, err)
			}
		})
		require.LessOrEqual(t, n, op.most, op.name)
	}
}
