package hotkey

import (
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// A process to which a key is a tenth of all spreads it as widely as the fleet, to which it is half.
func TestRemediesGoByTheFleet(t *testing.T) {
	o := onlyShare
	o.seed, o.Nodes = 1, 10
	l := newLab(t, o, labRate)
	hash := xxhash.Sum64String("hot")
	i := 0
	l.run(4*time.Second, func() {
		if i++; i%10 == 0 {
			l.sampler.Read("hot", hash, 1000)
		} else {
			l.sampler.Read("cold", keyHash(i), 1000)
		}
	})
	copies := func() int {
		for _, r := range l.Remedies(Policy{KeepBytes: -1}, nil) {
			if r.Key.Name == "hot" {
				return r.Decision.Action.Copies
			}
		}
		return 0
	}
	l.SetNodes(4)
	require.Less(t, copies(), 7)
	l.SetNodes(10)
	alone := copies()
	require.InDelta(t, 10, alone, 1, "a tenth of the load, in parts of a tenth of a node's share")
	l.SetFleetShares([]FleetShare{{hash, 0.03}, {hash + 1, 0.5}})
	require.Equal(t, 3, copies())
	require.InDelta(t, 0.03, l.Top(1)[0].FleetShare, 1e-9)
	require.InDelta(t, 0.03, l.Report(1).Keys[0].FleetShare, 1e-9)
	require.InDelta(t, 0.1, l.Top(1)[0].Share, 0.03)
	l.SetFleetShares(nil)
	require.Equal(t, alone, copies())
	require.Zero(t, l.Top(1)[0].FleetShare)
}

func TestCostPerSecond(t *testing.T) {
	l := newLab(t, Options{}, labRate)
	i := 0
	l.run(3*time.Second, func() { i++; l.sampler.Read("k", keyHash(i), 1000) })
	require.InEpsilon(t, float64(labRate)*(1000+framing+1024), l.Stats().CostPerSecond, 0.02)
}

func TestWithNodes(t *testing.T) {
	table, err := NewTable(Header{Epoch: 7}, []Rule{
		{Key: "k", Action: Action{Kind: Keep}},
		{Key: "l", Action: Action{Kind: Pin, Nodes: []string{"a"}}},
		{Prefix: "m", Action: Action{Kind: Spread, Nodes: []string{"a", "b"}}},
	})
	require.NoError(t, err)
	only := func(names string) func(string) bool { return func(n string) bool { return strings.Contains(names, n) } }
	require.Same(t, table, table.WithNodes(only("ab")))
	require.Equal(t, 2, table.WithNodes(only("a")).Len())
	require.Equal(t, 1, table.WithNodes(only("")).Len())
	require.Equal(t, uint64(7), table.WithNodes(only("")).Header().Epoch)
	require.Nil(t, (*Table)(nil).WithNodes(only("")))
}
