package hotcopy

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// A batch asks all homes in one round, cold keys among them, and fetches what has changed, or is elsewhere, in a second.
func TestBatchTakesTwoRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p, foreign := f.process(t, func(c *Config) { c.ItemBytes = 100 }), f.process(t)
		p.rules(hotkey.Rule{Prefix: "keep:", Action: keepStrict}, hotkey.Rule{Prefix: "fresh:", Action: keepFor(time.Hour)},
			hotkey.Rule{Prefix: "spread:", Action: spreadOver(3)}, hotkey.Rule{Prefix: "deny:", Action: hotkey.Action{Kind: hotkey.Deny}})
		var keys []string
		for _, kind := range []string{"keep", "fresh", "spread", "cold", "absent", "deny"} {
			for i := range 10 {
				k := fmt.Sprint(kind, ":", i)
				keys = append(keys, k)
				if kind != "absent" {
					foreign.succeed(storeOp(protocol.Set, k, valueFor(k)))
				}
			}
		}
		p.requireAll(keys)
		time.Sleep(2 * time.Second)
		p.requireAll(keys)
		for range 20 { // all copies are there
			p.requireAll(keys)
			synctest.Wait()
		}
		p.tree.take()
		p.requireAll(keys)
		require.LessOrEqual(t, p.tree.rounds, 1)
		checks := 0
		for _, word := range p.tree.take() {
			if word == "check" {
				checks++
			}
		}
		require.GreaterOrEqual(t, checks, 10)
		require.LessOrEqual(t, checks, 20, "what is fresh is not asked for")
		for i := range 10 {
			foreign.succeed(storeOp(protocol.Set, fmt.Sprint("keep:", i), "new"))
		}
		ops := opsFor(keys)
		p.route.Do(t.Context(), ops)
		require.Equal(t, 2, p.tree.rounds)
		for i := range 10 {
			require.Equal(t, "new", string(ops[i].Value))
		}
		require.Positive(t, p.copies.Stats().Copied)
	})
}

func opsFor(keys []string) (ops []*route.Op) {
	for _, k := range keys {
		ops = append(ops, getOp(k))
	}
	return ops
}

// requireAll reads keys in one batch; their names say what is to be found.
func (p *process) requireAll(keys []string) {
	p.t.Helper()
	ops := opsFor(keys)
	p.route.Do(p.t.Context(), ops)
	for i, op := range ops {
		switch keys[i][0] {
		case 'd':
			require.ErrorIs(p.t, op.Err, ErrDenied)
		case 'a':
			require.NoError(p.t, op.Err)
			require.Equal(p.t, protocol.Miss, op.Reply.Status)
		default:
			require.NoError(p.t, op.Err)
			require.Equal(p.t, valueFor(keys[i]), string(op.Value))
		}
	}
}

// The same key twice in a batch, and many keys.
func TestBatchOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p := f.process(t, nothingKept)
		var sets []*route.Op
		var keys []string
		for i := range 1200 {
			k := fmt.Sprint("spread:", i%800)
			keys = append(keys, k)
			sets = append(sets, storeOp(protocol.Set, k, valueFor(k)))
		}
		p.rules(hotkey.Rule{Prefix: "spread:", Action: spreadOver(3)})
		p.route.Do(t.Context(), sets)
		for range 5 {
			p.requireAll(keys)
			synctest.Wait()
		}
		require.Positive(t, p.copies.Stats().Copied)
		for _, m := range p.route.nodes.members {
			require.Zero(t, m.ahead.Load(), "what was expected has come")
		}
	})
}

// Only a batch in which some op needs it is looked at op by op.
func TestBatchWithoutRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 2).process(t)
		p.rule(keepStrict)
		p.route.Do(t.Context(), opsFor([]string{"a", "b", "c"}))
		p.route.Do(t.Context(), nil)
		require.Equal(t, []string{"get", "get", "get"}, p.tree.take())
		require.Zero(t, p.copies.Stats().Entries)
	})
}

// valueFor returns a key's value; one that is spread is too large to be kept.
func valueFor(key string) string {
	if key[0] == 's' {
		return "value of " + key + long
	}
	return "value of " + key
}
