package pool

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// delays are nodes whose latencies a test says; time passes with each batch.
type delays struct {
	set   *NodeSet
	nodes []*Node
	now   int64
}

func newDelays(t *testing.T, count int, cfg NodeSetConfig) *delays {
	d := &delays{set: NewNodeSet(cfg)}
	for range count {
		d.nodes = append(d.nodes, newTestNode(t, Config{Timeout: testTimeout, NodeSet: d.set}))
	}
	d.set.Replace(d.nodes)
	return d
}

// run has each node deliver a batch every 10 ms with its latency, 0 meaning none, for a time.
func (d *delays) run(lasts time.Duration, latencies ...time.Duration) {
	for end := d.now + int64(lasts); d.now < end; d.now += int64(10 * time.Millisecond) {
		for i, latency := range latencies {
			if latency > 0 {
				d.nodes[i].notePace(int64(latency), d.now-int64(d.nodes[i].born.Sub(d.set.born)))
			}
		}
	}
}

func (d *delays) slow() (list []int) {
	for i, n := range d.nodes {
		if d.set.Slow().Has(n) {
			list = append(list, i)
		}
	}
	return list
}

func TestWhichNodesAreSlow(t *testing.T) {
	const ms = time.Millisecond
	for name, row := range map[string]struct {
		latencies []time.Duration
		slow      []int
	}{
		"all alike":                       {[]time.Duration{ms, ms, ms}, nil},
		"one of three":                    {[]time.Duration{ms, 20 * ms, ms}, []int{1}},
		"one of two":                      {[]time.Duration{ms, 20 * ms}, []int{1}},
		"one alone":                       {[]time.Duration{20 * ms}, nil},
		"all":                             {[]time.Duration{20 * ms, 30 * ms, 20 * ms}, nil},
		"two of four":                     {[]time.Duration{20 * ms, ms, 20 * ms, ms}, []int{0, 2}},
		"three of four: that is normal":   {[]time.Duration{20 * ms, ms, 20 * ms, 20 * ms}, nil},
		"four times, but nobody feels it": {[]time.Duration{ms / 10, 4 * ms, ms / 10}, nil},
		"felt, but less than four times":  {[]time.Duration{10 * ms, 30 * ms, 10 * ms}, nil},
		"the others are not measured":     {[]time.Duration{0, 20 * ms, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDelays(t, len(row.latencies), NodeSetConfig{})
			d.run(2*time.Second, row.latencies...)
			require.Equal(t, row.slow, d.slow())
			for i, n := range d.nodes {
				s := n.Stats()
				require.Equal(t, d.set.Slow().Has(n), s.Slow)
				require.Equal(t, row.latencies[i], s.Recent)
			}
		})
	}
}

func TestSlowNodesComeBack(t *testing.T) {
	const ms = time.Millisecond
	d := newDelays(t, 3, NodeSetConfig{})
	d.run(time.Second, ms, ms, ms)
	d.run(100*ms, ms, ms, 50*ms)
	require.Empty(t, d.slow(), "a short while")
	d.run(400*ms, ms, ms, 50*ms)
	require.Equal(t, []int{2}, d.slow())
	d.run(4*time.Second, ms, ms, ms)
	require.Equal(t, []int{2}, d.slow(), "five seconds at least")
	d.run(2*time.Second, ms, ms, 4*ms)
	require.Equal(t, []int{2}, d.slow(), "faster than the bound, but not by half")
	d.run(time.Second, ms, ms, 2*ms)
	require.Empty(t, d.slow())

	d.run(time.Second, ms, ms, 50*ms)
	require.Equal(t, []int{2}, d.slow())
	d.run(4*time.Second, ms, ms, 0)
	require.Equal(t, []int{2}, d.slow())
	d.run(2*time.Second, ms, ms, 0)
	require.Empty(t, d.slow(), "not heard of, for it was read last: it gets another chance")
	d.run(200*ms, ms, ms, ms)
	require.Equal(t, ms, d.nodes[2].Stats().Recent, "what it was before does not count any more")
}

func TestSlowFactor(t *testing.T) {
	const ms = time.Millisecond
	for factor, slow := range map[float64][]int{2: {1}, 3.1: nil, math.Inf(1): nil} {
		d := newDelays(t, 3, NodeSetConfig{SlowFactor: factor})
		d.run(time.Second, 10*ms, 30*ms, 10*ms)
		require.Equal(t, slow, d.slow(), "%v", factor)
	}
}

// A node that has left is slow no more, and those that stay are.
func TestSlowNodesLeave(t *testing.T) {
	const ms = time.Millisecond
	d := newDelays(t, 5, NodeSetConfig{})
	d.run(time.Second, ms, 20*ms, ms, 20*ms, ms)
	require.Equal(t, []int{1, 3}, d.slow())
	d.set.Replace(d.nodes[2:])
	require.Equal(t, []int{3}, d.slow())
	d.set.Replace(d.nodes[4:])
	require.Nil(t, d.set.Slow())
}

// What is measured is what callers wait for; one batch of replies is one comparison at most, and allocates nothing.
func TestSlowNodesAreFoundByTheirReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewNodeSet(NodeSetConfig{})
		var nodes []*Node
		for _, latency := range []time.Duration{time.Millisecond, 30 * time.Millisecond, time.Millisecond} {
			dial := scripts(func(p *peer) {
				for p.expect(1) {
					time.Sleep(latency)
					p.say("END\r\n")
				}
			})
			nodes = append(nodes, newTestNode(t, Config{Timeout: testTimeout, Dial: dial, NodeSet: set}))
		}
		set.Replace(nodes)
		for range 20 {
			for _, n := range nodes {
				requireMiss(t, get(t.Context(), n, "k"))
			}
		}
		require.True(t, set.Slow().Has(nodes[1]))
		require.False(t, set.Slow().Has(nodes[0]) || set.Slow().Has(nodes[2]))
		require.Equal(t, "up, slow", condition(nodes[1]))
		require.Equal(t, "up", condition(nodes[0]))
		require.InDelta(t, 30*time.Millisecond, nodes[1].Stats().Recent, float64(time.Millisecond))
		require.True(t, nodes[1].refusal() == nil, "it is not refused anything")
	})
}

func condition(n *Node) string {
	s := n.Stats()
	return s.Condition()
}

func TestComparingAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	d := newDelays(t, 100, NodeSetConfig{})
	latencies := make([]time.Duration, 100)
	for i := range latencies {
		latencies[i] = time.Duration(100-i) * time.Microsecond
	}
	d.run(time.Second, latencies...)
	require.Zero(t, testing.AllocsPerRun(10, func() { d.run(time.Second, latencies...) }))
}

// Nodes report, come and go at once.
func TestComparingConcurrently(t *testing.T) {
	d := newDelays(t, 8, NodeSetConfig{})
	together(t, 9, func(i int) error {
		for round := range int64(2000) {
			if i == 8 {
				d.set.Replace(d.nodes[:4+round%5])
				d.set.Slow().Has(d.nodes[0])
				continue
			}
			d.nodes[i].notePace(int64(time.Millisecond)*(1+30*int64(i/6)), round*int64(time.Millisecond))
			d.nodes[i].Stats()
		}
		return nil
	})
	d.set.Replace(d.nodes)
	d.now = int64(10 * time.Second)
	const ms = time.Millisecond
	d.run(time.Second, ms, ms, ms, ms, ms, ms, 30*ms, 30*ms)
	require.Equal(t, []int{6, 7}, d.slow())
}
