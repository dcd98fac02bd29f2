package route

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestExplainTiers(t *testing.T) {
	a, b := pool.NewNode(pool.Config{Name: "a", Addr: "127.0.0.1:1"}), pool.NewNode(pool.Config{Name: "b", Addr: "127.0.0.1:1"})
	defer a.Close()
	defer b.Close()
	bg, _ := background(t)
	tree := built(t)
	big := store(protocol.Set, "k", "0123456789")
	for _, row := range []struct {
		route Route
		op    *Op
		want  string
	}{
		{tree(WarmUp(a, b, 0, bg)), get("k"), `
warm-up: what the first does not have is read at the second, and added to the first in the background
  node a (idle)
  node b (idle)
`},
		{tree(WarmUp(a, b, 0, bg)), big, `
warm-up: set: the first alone
  node a (idle)
`},
		{tree(L1L2(a, b, L1L2Options{NegativeTTL: time.Minute}, bg)), get("k"), `
l1-l2: what the first does not have is read at the second, and added to the first in the background; what neither has is remembered there
  node a (idle)
  node b (idle)
`},
		{tree(L1L2SizeSplit(a, b, SizeSplitOptions{Threshold: 10}, bg)), big, `
l1-l2 by size: a large value: L2, then a sentinel at L1
  node b (idle)
  node a (idle)
`},
		{tree(L1L2SizeSplit(a, b, SizeSplitOptions{Threshold: 10}, bg)), get("k"), `
l1-l2 by size: L1, and L2 where L1 has a sentinel
  node a (idle)
  node b (idle)
`},
		{tree(SlowWarmUp(a, b, SlowWarmUpOptions{})), get("k"), `
slow warm-up: the target's hit rate is not known yet
  node a (idle)
`},
		{tree(Staging(a, b, bg)), get("k"), `
staging: the first answers
  node a (idle)
  in the background: kept like the first
    node b (idle)
`},
		{tree(Staging(a, b, bg)), asks(protocol.Delete, "k"), `
staging: removed from both
  node a (idle)
  node b (idle)
`},
		{tree(Shadow(a, b, ShadowOptions{To: 1, Requests: 0.5}, bg)), get("k"), `
shadow: 0.5 of the requests are copied
  node a (idle)
  in the background
    node b (idle)
`},
		{tree(Shadow(a, b, ShadowOptions{}, bg)), get("k"), `
shadow: not copied
  node a (idle)
`},
	} {
		was := *row.op
		require.Equal(t, strings.TrimPrefix(row.want, "\n"), Explain(row.route, row.op).String())
		require.Equal(t, was, *row.op)
	}
}

func TestExplainMigrate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := fakes(nil, nil)
		tree := built(t)(Migrate(r[0], r[1], Migration{Start: time.Now().Add(time.Second), Hash: func(string) uint32 { return 61 }}))
		for _, want := range []string{
			"migrate: starts at 2000-01-01T00:00:01Z",
			"migrate: the key moves at 2000-01-01T01:01:02Z; delete goes to both",
			"migrate: the key moves at 2000-01-01T01:01:02Z; delete goes to both",
			"migrate: is over",
		} {
			require.Contains(t, Explain(tree, asks(protocol.Delete, "k")).String(), want+"\n")
			time.Sleep(50 * time.Minute)
		}
	})
}
