package hotkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func lookup(t *Table, key string) *Rule { return t.Lookup(xxhash.Sum64String(key), key) }

func mustTable(t testing.TB, rules ...Rule) *Table {
	table, err := NewTable(Header{}, rules)
	require.NoError(t, err)
	return table
}

func benchTable(t testing.TB, n int) *Table {
	var rules []Rule
	for i := range n {
		rules = append(rules, Rule{Key: fmt.Sprint("rule:", i), Action: Action{Kind: Keep}})
	}
	return mustTable(t, rules...)
}

func TestPrecedence(t *testing.T) {
	deny, keep := Action{Kind: Deny}, Action{Kind: Keep}
	auto := Action{Kind: Auto, Staleness: time.Second}
	none := Action{}
	table := mustTable(t,
		Rule{Prefix: "a", Action: auto},
		Rule{Prefix: "abc", Action: deny},
		Rule{Prefix: "abcd:", Action: keep},
		Rule{Key: "abc", Action: none},
		Rule{Key: "abx", Action: keep, Origin: Automatic},
		Rule{Key: "abcx", Action: keep, Origin: Automatic},
		Rule{Key: "own", Action: deny},
		Rule{Key: "own", Action: keep, Origin: Automatic},
		Rule{Key: "auto", Action: auto},
		Rule{Key: "auto", Action: keep, Origin: Automatic},
		Rule{Key: "abc:auto", Action: auto},
		Rule{Key: "hot", Action: keep, Origin: Automatic},
		Rule{Prefix: "zz", Action: deny},
		Rule{Prefix: "zza", Action: deny},
		Rule{Prefix: "zzab", Action: deny},
	)
	for key, want := range map[string]int{
		"a": 0, "ab": 0, "abd": 0, "abca": 1, "abcd": 1, "abcd:1": 2, "abc": 3, "abx": 4, "abcx": 1,
		"own": 6, "auto": 9, "abc:auto": 10, "hot": 11, "zzb": 12, "zzaab": 13, "zzabc": 14, "zzac": 13,
	} {
		got := lookup(table, key)
		require.NotNil(t, got, key)
		require.Equal(t, table.rules[want], *got, key)
	}
	for _, key := range []string{"", "b", "z", "hot2", "ho"} {
		require.Nil(t, lookup(table, key), key)
	}
	require.Nil(t, lookup(nil, "a"))
	require.Zero(t, (*Table)(nil).Len())
	require.Zero(t, (*Table)(nil).Header())
}

// A look-up does what the definition says, on random tables.
func TestLookupAgreesWithItsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		b := make([]byte, 1+rng.IntN(5))
		for i := range b {
			b[i] = "ab\xff"[rng.IntN(3)]
		}
		return string(b)
	}
	for range 2000 {
		seen := map[string]bool{}
		var rules []Rule
		for range rng.IntN(40) {
			r := Rule{Action: Action{Kind: []Kind{Keep, Auto}[rng.IntN(2)]}}
			switch rng.IntN(3) {
			case 0:
				r.Prefix = word()
			case 1:
				r.Key = word()
			case 2:
				r.Key, r.Origin, r.Action.Kind = word(), Automatic, Keep
			}
			if id := fmt.Sprint(r.Key, "|", r.Prefix, r.Origin); !seen[id] {
				seen[id] = true
				rules = append(rules, r)
			}
		}
		table := mustTable(t, rules...)
		for range 50 {
			key := word()
			if rng.IntN(10) == 0 {
				key = ""
			}
			require.Equal(t, defined(rules, key), lookup(table, key), "%q in %v", key, rules)
		}
	}
}

// defined is Lookup as its documentation has it.
func defined(rules []Rule, key string) (found *Rule) {
	var explicit, automatic *Rule
	for i := range rules {
		r := &rules[i]
		switch {
		case r.Key == key && key != "" && r.Origin == Automatic:
			automatic = r
		case r.Key == key && key != "":
			return firstOf(r, rules, key)
		case r.Prefix != "" && strings.HasPrefix(key, r.Prefix) && (explicit == nil || len(r.Prefix) > len(explicit.Prefix)):
			explicit = r
		}
	}
	for i := range rules {
		if r := &rules[i]; r.Key == key && key != "" && r.Origin == Explicit {
			return firstOf(r, rules, key)
		}
	}
	if explicit != nil && (explicit.Action.Kind != Auto || automatic == nil) {
		return explicit
	}
	return automatic
}

// firstOf returns explicit, or the automatic rule for which it makes way.
func firstOf(explicit *Rule, rules []Rule, key string) *Rule {
	if explicit.Action.Kind != Auto {
		return explicit
	}
	for i := range rules {
		if r := &rules[i]; r.Key == key && r.Origin == Automatic {
			return r
		}
	}
	return explicit
}

// The filter spares nearly all keys without a rule the rest of the look-up.
func TestFilter(t *testing.T) {
	table := benchTable(t, 512)
	passed := 0
	for i := range 10_000 {
		if hash := xxhash.Sum64String(keyName(i)); table.filter[uint8(hash)]<<(hash>>59) < 0 {
			passed++
		}
	}
	require.InDelta(t, 1-math.Exp(-512.0/8192), float64(passed)/10_000, 0.01)
}

func TestBadTables(t *testing.T) {
	long := strings.Repeat("x", 300)
	for place, r := range map[string]Rule{
		"key":          {},
		"prefix":       {Key: "a", Prefix: "b"},
		"key ":         {Key: long},
		"prefix ":      {Prefix: long},
		"origin":       {Key: "a", Origin: 7},
		"prefix  ":     {Prefix: "a", Origin: Automatic},
		"do":           {Key: "a", Action: Action{Kind: 99}},
		"do ":          {Key: "a", Action: Action{Kind: Auto}, Origin: Automatic},
		"staleness":    {Key: "a", Action: Action{Kind: Keep, Staleness: -1}},
		"staleness ":   {Key: "a", Action: Action{Kind: Keep, Staleness: 2 * time.Hour}},
		"staleness  ":  {Key: "a", Action: Action{Kind: Deny, Staleness: 1}},
		"copies":       {Key: "a", Action: Action{Kind: Keep, Copies: 2}},
		"copies ":      {Key: "a", Action: Action{Kind: Spread}},
		"copies  ":     {Key: "a", Action: Action{Kind: Spread, Copies: 1}},
		"copies   ":    {Key: "a", Action: Action{Kind: Spread, Copies: 1 << 20}},
		"copies    ":   {Key: "a", Action: Action{Kind: Spread, Copies: 2, Nodes: []string{"a", "b"}}},
		"nodes":        {Key: "a", Action: Action{Kind: Pin}},
		"nodes ":       {Key: "a", Action: Action{Kind: Keep, Nodes: []string{"a"}}},
		"nodes  ":      {Key: "a", Action: Action{Kind: Spread, Nodes: []string{"a"}}},
		"nodes   ":     {Key: "a", Action: Action{Kind: Pin, Nodes: make([]string, MaxRuleNodes+1)}},
		"nodes[1]":     {Key: "a", Action: Action{Kind: Pin, Nodes: []string{"a", ""}}},
		"nodes[0]":     {Key: "a", Action: Action{Kind: Pin, Nodes: []string{"\xff"}}},
		"nodes[1] ":    {Key: "a", Action: Action{Kind: Pin, Nodes: []string{"a", "a"}}},
		"expires":      {Key: "a", Expires: time.Now(), Action: Action{Kind: Pin, Nodes: []string{"n"}}},
		"expires ":     {Key: "a", Action: Action{Kind: Pin, Nodes: []string{"n"}, Ends: true}},
		"ends":         {Key: "a", Expires: time.Now(), Action: Action{Kind: Keep, Ends: true}},
		"since":        {Key: "a", Since: time.Now(), Action: Action{Kind: Keep}},
		"prefix   ":    {Prefix: "a", Action: Action{Kind: Pin, Nodes: []string{"n"}}},
		"nodes[0]    ": {Key: "a", Action: Action{Kind: Pin, Nodes: []string{long}}},
	} {
		table, err := NewTable(Header{}, []Rule{{Key: "fine", Action: Action{Kind: Keep}}, r})
		requireBad(t, err, "rules[1]."+strings.TrimSpace(place))
		require.Nil(t, table)
	}
	for place, h := range map[string]Header{"controller": {Controller: long}, "view": {View: "\xff"}} {
		_, err := NewTable(h, nil)
		requireBad(t, err, place)
	}
	_, err := NewTable(Header{Expires: time.Now()}, []Rule{{Key: "a", Action: Action{Kind: Pin, Nodes: []string{"n"}}}})
	requireBad(t, err, "expires")
	twice := Rule{Prefix: "a", Action: Action{Kind: Keep}}
	_, err = NewTable(Header{}, []Rule{twice, twice})
	requireBad(t, err, "rules[1]")
	for _, o := range []Origin{Explicit, Automatic} {
		many := make([]Rule, MaxExplicitRules+1)
		for i := range many {
			many[i] = Rule{Key: keyName(i), Origin: o}
		}
		_, err = NewTable(Header{}, many)
		requireBad(t, err, "rules")
	}
}

func requireBad(t *testing.T, err error, place string) {
	t.Helper()
	require.ErrorIs(t, err, ErrBadTable)
	var bad *TableError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, place, bad.Place, err)
	require.NotEmpty(t, bad.What)
	require.NotContains(t, err.Error(), "secret")
}

func TestEpochsOrderTables(t *testing.T) {
	older := Header{Epoch: 3, Controller: "b"}
	for _, h := range []Header{{Epoch: 4}, {Epoch: 4, Controller: "a"}, {Epoch: 3, Controller: "c"}} {
		require.True(t, h.Newer(older))
		require.False(t, older.Newer(h))
	}
	require.False(t, older.Newer(older))
	require.True(t, older.Newer((*Table)(nil).Header()))
}

func TestExpiry(t *testing.T) {
	now := time.Now()
	table, err := NewTable(Header{Expires: now.Add(time.Hour)}, []Rule{
		{Key: "short", Action: Action{Kind: Keep}, Expires: now.Add(time.Second)},
		{Key: "short", Action: Action{Kind: Deny}, Origin: Automatic},
	})
	require.NoError(t, err)
	require.Same(t, table, table.At(now))
	later := table.At(now.Add(time.Second))
	require.Equal(t, Deny, lookup(later, "short").Action.Kind, "what stood behind it")
	require.Equal(t, table.Header(), later.Header())
	require.Nil(t, table.At(now.Add(time.Hour)))
	require.Nil(t, (*Table)(nil).At(now))
}

// A table for another node list keeps its policies and drops what names nodes.
func TestForView(t *testing.T) {
	rules := []Rule{
		{Key: "pin", Action: Action{Kind: Pin, Nodes: []string{"a"}}},
		{Key: "deny", Action: Action{Kind: Deny}},
		{Key: "r", Action: Action{Kind: Spread, Copies: 3}},
	}
	table, err := NewTable(Header{View: "one"}, rules)
	require.NoError(t, err)
	require.Same(t, table, table.ForView("one"))
	require.Equal(t, rules[1:], slices.Collect(table.ForView("two").Rules()))
	require.Nil(t, (*Table)(nil).ForView("one"))
	anywhere := mustTable(t, rules...)
	require.Same(t, anywhere, anywhere.ForView("two"))

	require.NoError(t, table.CheckNodes(func(string) bool { return true }))
	requireBad(t, table.CheckNodes(func(n string) bool { return n != "a" }), "rules[0].nodes[0]")
	require.NoError(t, (*Table)(nil).CheckNodes(nil))
	gone := mustTable(t, Rule{Key: "pin", Expires: time.Now(), Action: Action{Kind: Pin, Nodes: []string{"a"}, Ends: true}})
	require.NoError(t, gone.CheckNodes(func(string) bool { return false }), "a pin that ends may name a node that has gone")
}

func TestWithRemedies(t *testing.T) {
	explicit := mustTable(t, Rule{Key: "own", Action: Action{Kind: Deny}})
	remedy := func(key string, a Action) Remedy { return Remedy{Key: Key{Name: key}, Decision: Decision{Action: a}} }
	first, err := explicit.WithRemedies([]Remedy{remedy("a", Action{Kind: Keep}), remedy("nothing", Action{})})
	require.NoError(t, err)
	require.Equal(t, 2, first.Len())
	second, err := first.WithRemedies([]Remedy{remedy("b", Action{Kind: Spread, Copies: 2})})
	require.NoError(t, err)
	require.Nil(t, lookup(second, "a"))
	require.Equal(t, Automatic, lookup(second, "b").Origin)
	require.Equal(t, slices.Collect(explicit.Rules()), slices.Collect(second.Explicit().Rules()))
	alone, err := (*Table)(nil).WithRemedies([]Remedy{remedy("b", Action{Kind: Keep})})
	require.NoError(t, err)
	require.Equal(t, 1, alone.Len())
	_, err = explicit.WithRemedies([]Remedy{remedy("b", Action{Kind: Pin})})
	requireBad(t, err, "rules[1].nodes")
}

// The table keeps copies of what it was given.
func TestTableIsACopy(t *testing.T) {
	rules := []Rule{{Key: "a", Action: Action{Kind: Pin, Nodes: []string{"n"}}}}
	table := mustTable(t, rules...)
	rules[0].Action.Nodes[0] = "other"
	rules[0].Key = "b"
	require.Equal(t, "n", lookup(table, "a").Action.Nodes[0])
}

func TestParseTable(t *testing.T) {
	table, err := ParseTable([]byte(`{"epoch": 7, "controller": "c", "view": "v", "expires": "2030-01-02T03:04:05Z", "new": [1], "rules": [
		{"key": "front-page", "do": "spread", "copies": 3, "staleness": "250ms", "comment": "a field of a newer version"},
		{"key": "counter", "do": "pin", "nodes": ["10.0.0.7:11211"], "ends": true, "expires": "2029-01-01T00:00:00+01:00", "since": "2028-01-01T00:00:00Z"},
		{"prefix": "abuse:", "do": "deny"},
		{"key_base64": "/w==", "do": "keep", "origin": "automatic"}]}`))
	require.NoError(t, err)
	require.Equal(t, Header{7, "c", "v", time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}, table.Header())
	require.Equal(t, Action{Kind: Spread, Copies: 3, Staleness: 250 * time.Millisecond}, lookup(table, "front-page").Action)
	require.Equal(t, Deny, lookup(table, "abuse:1").Action.Kind)
	require.True(t, lookup(table, "counter").Action.Ends)
	require.Equal(t, Automatic, lookup(table, "\xff").Origin)

	data, err := json.Marshal(table)
	require.NoError(t, err)
	again, err := ParseTable(data)
	require.NoError(t, err)
	require.Equal(t, table.Header(), again.Header())
	require.Len(t, slices.Collect(again.Rules()), 4)
	require.True(t, lookup(again, "counter").Action.Ends)
	require.Equal(t, time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC), lookup(again, "counter").Since.UTC())
}

func TestParseBadTables(t *testing.T) {
	for place, inputs := range map[string][]string{
		"":                   {"", "{", "[]", `"secret"`, "7", `{"rules":[]} x`, strings.Repeat(" ", MaxTableSize+1)},
		"rules":              {"null", "{}", `{"rules": null}`, `{"rules": {"secret": 1}}`, `{"rules": [` + strings.Repeat("1,", 2000) + `1]}`},
		"epoch":              {`{"epoch": -1, "rules": []}`, `{"epoch": "secret", "rules": []}`, `{"epoch": 1e99, "rules": []}`},
		"rules[0]":           {`{"rules": [7]}`, `{"rules": [[]]}`, `{"rules": [{"key":"a","do":"keep","expires":"secret"}]}`},
		"rules[0].key":       {`{"rules": [{"do": "keep"}]}`, `{"rules": [{"key": 7, "do": "keep"}]}`},
		"rules[0].do":        {`{"rules": [null]}`, `{"rules": [{"key": "secret"}]}`, `{"rules": [{"key": "a", "do": "secret"}]}`},
		"rules[0].staleness": {`{"rules": [{"key": "secret", "do": "keep", "staleness": "secret"}]}`, `{"rules": [{"key": "a", "do": "keep", "staleness": "-1s"}]}`},
		"rules[0].copies":    {`{"rules": [{"key": "a", "do": "spread", "copies": 1.5}]}`, `{"rules": [{"key": "a", "do": "spread"}]}`},
		"rules[0].origin":    {`{"rules": [{"key": "a", "do": "keep", "origin": "secret"}]}`},
		"rules[0].key_base64": {`{"rules": [{"key_base64": "secret", "do": "keep"}]}`,
			`{"rules": [{"key": "a", "key_base64": "YQ==", "do": "keep"}]}`},
		"rules[0].prefix_base64": {`{"rules": [{"prefix_base64": "?", "do": "keep"}]}`},
		"rules[1]":               {`{"rules": [{"key": "secret", "do": "keep"}, {"key": "secret", "do": "deny"}]}`},
		"rules[1].nodes":         {`{"rules": [{"key": "a", "do": "keep"}, {"key": "secret", "do": "pin", "nodes": []}]}`},
	} {
		for _, input := range inputs {
			table, err := ParseTable([]byte(input))
			require.Nil(t, table)
			requireBad(t, err, place)
		}
	}
}

// A table that is too long for a store is refused when it is written, not when it is read.
func TestTooLongToMarshal(t *testing.T) {
	var rules []Rule
	nodes := make([]string, MaxRuleNodes)
	for i := range nodes {
		nodes[i] = fmt.Sprintf("node-%060d", i)
	}
	for i := range 30 {
		rules = append(rules, Rule{Key: keyName(i), Action: Action{Kind: Pin, Nodes: nodes}})
	}
	_, err := mustTable(t, rules...).MarshalJSON()
	requireBad(t, err, "")
	year := mustTable(t, Rule{Key: "a", Expires: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)})
	_, err = year.MarshalJSON()
	require.Error(t, err)
}

func FuzzParseTable(f *testing.F) {
	for _, seed := range []string{
		`{"rules":[]}`, `null`, `{"rules":[{"key":"a","do":"keep"}]}`,
		`{"epoch":18446744073709551615,"rules":[{"prefix_base64":"/w==","do":"auto","staleness":"1h"}]}`,
		`{"rules":[{"key":"a","do":"spread","nodes":["x","y"],"expires":"0001-01-01T00:00:00Z"}]}`,
		`{"rules":[{"key":"\ud800","do":"deny","origin":"automatic"}]}`,
	} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		table, err := ParseTable(data)
		if err != nil {
			var bad *TableError
			require.True(t, errors.As(err, &bad))
			require.Nil(t, table)
			return
		}
		lookup(table, key)
		written, err := table.MarshalJSON()
		require.NoError(t, err)
		again, err := ParseTable(written)
		require.NoError(t, err)
		twice, err := again.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, string(written), string(twice))
		require.Equal(t, lookup(table, key) == nil, lookup(again, key) == nil)
		for r := range table.Rules() {
			if r.Key != "" {
				require.NotNil(t, lookup(table, r.Key))
				require.NotNil(t, lookup(again, r.Key))
			}
		}
	})
}

// BenchmarkLookup is what a table costs an op.
func BenchmarkLookup(b *testing.B) {
	withPrefixes := benchTable(b, 128)
	rules := slices.Collect(withPrefixes.Rules())
	for i := range 32 {
		rules = append(rules, Rule{Prefix: fmt.Sprint("user:", i, ":"), Action: Action{Kind: Deny}})
	}
	withPrefixes = mustTable(b, rules...)
	for _, c := range []struct {
		name  string
		table *Table
		key   string
		found bool
	}{
		{"nil", nil, "user:x", false},
		{"absent, 128 rules", benchTable(b, 128), "user:x", false},
		{"absent, 512 rules", benchTable(b, 512), "user:x", false},
		{"absent, 32 prefixes of its first byte", withPrefixes, "user:x", false},
		{"found by key", benchTable(b, 512), "rule:81", true},
		{"found by prefix", withPrefixes, "user:17:name", true},
	} {
		b.Run(c.name, func(b *testing.B) {
			hash := xxhash.Sum64String(c.key)
			b.ReportAllocs()
			for b.Loop() {
				if found := c.table.Lookup(hash, c.key) != nil; found != c.found {
					b.Fatal("found:", found)
				}
			}
		})
	}
}

// After the last epoch there would be none: a table is refused long before.
func TestTableOfALateEpoch(t *testing.T) {
	_, err := NewTable(Header{Epoch: maxEpoch}, nil)
	require.NoError(t, err)
	for _, epoch := range []uint64{maxEpoch + 1, math.MaxUint64} {
		_, err := NewTable(Header{Epoch: epoch}, nil)
		require.ErrorIs(t, err, ErrBadTable)
		_, err = ParseTable(fmt.Appendf(nil, `{"epoch": %d, "rules": []}`, epoch))
		require.ErrorIs(t, err, ErrBadTable)
	}
}
