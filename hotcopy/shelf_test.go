package hotcopy

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// What is kept stays within its bytes, and what is read often stays.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t, func(c *Config) { c.Bytes, c.ItemBytes = 50_000, 5000 })
		p.rules(hotkey.Rule{Prefix: "k", Action: keepStrict})
		rng := rand.New(rand.NewPCG(1, 1))
		value := func(n int) string { return string(make([]byte, n)) }
		p.succeed(storeOp(protocol.Set, "k:favourite", value(4000)))
		for i := range 3000 {
			k := fmt.Sprint("k", rng.IntN(300))
			p.do(storeOp(protocol.Set, k, value(rng.IntN(6000))))
			p.do(getOp(k))
			p.do(getOp("k:favourite"))
			if i%100 == 0 {
				p.do(request(protocol.Delete, k))
			}
			if bytes := p.copies.Stats().Bytes; bytes > 50_000 {
				t.Fatal(bytes)
			}
		}
		require.Equal(t, p.copies.charged(), p.copies.Stats().Bytes)
		require.Greater(t, p.copies.Stats().Bytes, 30_000)
		require.Greater(t, p.copies.Stats().Kept, uint64(2900), "the favourite")
		p.copies.Forget()
		require.Zero(t, p.copies.Stats().Bytes)
	})
}

// charged sums up what all entries take.
func (c *Copies) charged() (sum int) {
	for i := range c.shelf.slots {
		if e := c.shelf.slots[i].Load(); e != nil {
			sum += e.charge()
		}
	}
	return sum
}

// A spread value takes no room from what is kept by rule.
func TestSpreadValuesMakeNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t, func(c *Config) { c.Bytes = 3000 })
		p.rules(hotkey.Rule{Prefix: "keep", Action: keepStrict}, hotkey.Rule{Prefix: "spread", Action: spreadOver(2)})
		for _, k := range []string{"keep:1", "keep:2", "spread:1"} {
			p.succeed(storeOp(protocol.Set, k, string(make([]byte, 1000))))
			p.get2(k)
		}
		p.tree.take()
		for _, k := range []string{"keep:1", "keep:2"} {
			p.get2(k)
		}
		require.NotContains(t, p.tree.take(), "get")
		require.Nil(t, p.copies.held("spread:1").value)
		require.Equal(t, 1000, p.copies.held("spread:1").size)
	})
}

func (p *process) get2(key string) {
	p.succeed(getOp(key))
	p.succeed(getOp(key))
}

func (c *Copies) held(key string) *held {
	return c.shelf.find(route.HashKey(key), key).held.Load()
}

// More keys than places: rows overflow, and entries that are taken off are not used any more.
func TestShelfOverflows(t *testing.T) {
	s := &shelf{limit: 1 << 30}
	always := func() bool { return true }
	first := s.add(0, "first", 1, always)
	require.Same(t, first, s.add(0, "first", 2, always))
	for i := range 50_000 {
		k := fmt.Sprint("key:", i)
		e := s.add(route.HashKey(k), k, 1, always)
		if s.find(e.hash, k) != e {
			t.Fatal("not found: ", k)
		}
		s.keep(e, &held{kept: true, value: make([]byte, 10), size: 10}, 0, evicting)
	}
	entries, bytes := s.size()
	require.Equal(t, rows*places, entries)
	c := &Copies{}
	for i := range s.slots {
		c.shelf.slots[i].Store(s.slots[i].Load())
	}
	require.Equal(t, c.charged(), bytes)
	for i := range 500 {
		s.add(0, fmt.Sprint("same hash ", i), 1, always)
	}
	require.True(t, first.gone)
	s.keep(first, &held{kept: true, value: make([]byte, 10)}, 0, evicting)
	require.Nil(t, first.held.Load())
	began := s.beginWrite(first)
	s.endWrite(first, began, &held{})
	require.Nil(t, first.held.Load())
	_, after := s.size()
	require.LessOrEqual(t, after, bytes)
	require.Nil(t, s.add(1, "unwanted", 1, func() bool { return false }))
	require.Nil(t, (&shelf{limit: 10}).add(1, "larger than all", 1, always))
}

// Readers take no lock; run with -race.
func TestShelfIsSafe(t *testing.T) {
	s := &shelf{limit: 20_000}
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 3000 {
				k := fmt.Sprint(rng.IntN(50))
				e := s.add(route.HashKey(k), k, 1, func() bool { return true })
				if e == nil {
					continue
				}
				switch rng.IntN(5) {
				case 0:
					began := s.beginWrite(e)
					s.endWrite(e, began, &held{kept: true, value: make([]byte, rng.IntN(1000))})
				case 1:
					s.drop(func(e *entry) bool { return e.key == k })
				case 2:
					s.forget(e, e.held.Load())
				default:
					s.keep(e, &held{kept: true, value: make([]byte, rng.IntN(1000))}, e.writes.Load(), evicting)
				}
			}
		})
	}
	all.Wait()
	_, bytes := s.size()
	require.LessOrEqual(t, bytes, 20_000)
	s.drop(func(*entry) bool { return true })
	_, bytes = s.size()
	require.Zero(t, bytes)
}

// Every hash has a row, also where an int has 32 bits.
func TestEveryHashHasARow(t *testing.T) {
	var s shelf
	for _, hash := range []uint64{0, 0x8000_0001_0000, 0xffff_ffff_ffff_0000, 1<<64 - 1} {
		require.Len(t, s.row(hash), places)
		require.Nil(t, s.find(hash, "key"))
	}
}
