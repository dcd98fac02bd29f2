package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/history"
	"github.com/stretchr/testify/require"
)

// at is an operation on one key that runs from call to ret.
func at(call, ret history.Time, command history.Command, v history.Value, o history.Outcome) history.Op {
	return history.Op{Key: "k", Command: command, Value: v, Call: call, Return: ret, Outcome: o}
}

func TestRegister(t *testing.T) {
	const get, set, del, add, cas = history.Get, history.Set, history.Delete, history.Add, history.CompareAndSwap
	const ok, miss, ambiguous = history.OK, history.Miss, history.Ambiguous
	swap := func(call, ret history.Time, old, v history.Value) history.Op {
		op := at(call, ret, cas, v, ok)
		op.Old = old
		return op
	}
	for name, row := range map[string]struct {
		ops   []history.Op
		legal bool
	}{
		"set and get":                  {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, get, 1, ok)}, true},
		"lost":                         {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, get, 0, miss)}, true},
		"lost and found":               {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, get, 0, miss), at(5, 6, get, 1, ok)}, false},
		"stale":                        {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, set, 2, ok), at(5, 6, get, 1, ok)}, false},
		"concurrent":                   {[]history.Op{at(1, 4, set, 1, ok), at(2, 4, set, 2, ok), at(5, 6, get, 1, ok)}, true},
		"back and forth":               {[]history.Op{at(1, 9, set, 1, ok), at(1, 9, set, 2, ok), at(2, 3, get, 1, ok), at(4, 5, get, 2, ok), at(6, 7, get, 1, ok)}, false},
		"deleted":                      {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, del, 2, ok), at(5, 6, get, 1, ok)}, false},
		"deleted, found nothing":       {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, del, 2, miss), at(5, 6, get, 1, ok)}, false},
		"delete in doubt":              {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, del, 2, ambiguous), at(5, 6, get, 1, ok)}, true},
		"late write":                   {[]history.Op{at(1, 2, set, 1, ambiguous), at(3, 4, set, 2, ok), at(5, 6, get, 2, ok), at(7, 8, get, 1, ok)}, true},
		"late write twice":             {[]history.Op{at(1, 2, set, 1, ambiguous), at(3, 4, get, 1, ok), at(5, 6, set, 2, ok), at(7, 8, get, 1, ok)}, false},
		"add":                          {[]history.Op{at(1, 2, add, 1, ok), at(3, 4, get, 1, ok)}, true},
		"refused add":                  {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, add, 2, history.Refused), at(5, 6, get, 1, ok)}, true},
		"swap":                         {[]history.Op{at(1, 2, set, 1, ok), swap(3, 4, 1, 2), at(5, 6, get, 2, ok)}, true},
		"swap of what is not there":    {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, set, 2, ok), swap(5, 6, 1, 3)}, false},
		"swap found nothing":           {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, cas, 2, miss), at(5, 6, get, 1, ok)}, false},
		"two swaps of one value":       {[]history.Op{at(1, 2, set, 1, ok), swap(3, 5, 1, 2), swap(3, 5, 1, 3)}, false},
		"failed reads say nothing":     {[]history.Op{at(1, 2, set, 1, ok), at(3, 4, get, 0, ambiguous), at(5, 6, get, 1, ok)}, true},
		"never returned, and was read": {[]history.Op{at(1, history.Never, set, 1, ambiguous), at(3, 4, get, 1, ok)}, true},
	} {
		r := &report{}
		found := r.linearize(&history.History{Ops: row.ops})
		require.Equal(t, row.legal, len(found) == 0, name)
		require.Zero(t, r.undecided, name)
		for _, v := range found {
			require.NotEmpty(t, v.Evidence, name)
		}
	}
}

func TestScheduleDependsOnItsSeed(t *testing.T) {
	kinds, err := chooseFaults([]string{"all"})
	require.NoError(t, err)
	cfg := config{lifeGap: time.Second}
	names := func(seed uint64) (list []string) {
		for _, s := range cfg.schedule(rand.New(rand.NewPCG(seed, 0)), kinds, 4, time.Minute) {
			require.Less(t, s.at, time.Minute)
			require.Less(t, s.node, 4)
			list = append(list, s.kind.name)
		}
		return list
	}
	require.Equal(t, names(1), names(1))
	require.NotEqual(t, names(1), names(2))
	for _, k := range kinds {
		require.Contains(t, names(1), k.name)
		require.Equal(t, groupAll, k.group)
	}
	require.Empty(t, cfg.schedule(rand.New(rand.NewPCG(1, 0)), nil, 4, time.Minute))
}

func TestChoosingFaults(t *testing.T) {
	for names, count := range map[string]int{"none": 0, "kill": 1, "kill,pause": 2, "hostile": 4, "meddle,kill": 3} {
		kinds, err := chooseFaults(split(names))
		require.NoError(t, err)
		require.Len(t, kinds, count, names)
	}
	_, err := chooseFaults([]string{"kil"})
	require.ErrorContains(t, err, "kil")
}

// The second question shows that the first answer is in use.
func TestTheResolverKnowsWhenItsAnswerIsUsed(t *testing.T) {
	r := newResolver([]string{"10.0.0.1"})
	ask := func() string {
		nodes, err := r.LookupNetIP(t.Context(), "ip4", "nodes")
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		return nodes[0].String()
	}
	require.Equal(t, "10.0.0.1", ask())
	used := make(chan struct{})
	go func() {
		r.use([]string{"10.0.0.2"})
		close(used)
	}()
	for ask() == "10.0.0.1" {
	}
	select {
	case <-used:
		t.Fatal("used before it was asked again")
	default:
	}
	require.Less(t, r.age(), 5*time.Second)
	ask()
	<-used
}

func TestVerdicts(t *testing.T) {
	stale := &report{violations: map[string]*finding{"I3": {}, "I7": {}}}
	torn := &report{violations: map[string]*finding{"I1": {}, "I3": {}}}
	for _, row := range []struct {
		r      *report
		expect []string
		good   bool
	}{
		{&report{}, nil, true},
		{&report{}, []string{"I3"}, false},
		{stale, nil, false},
		{stale, []string{"I3"}, true},
		{stale, []string{"I3", "I7"}, true},
		{stale, []string{"I3", "I5"}, false},
		{torn, []string{"I3"}, false},
		{torn, []string{"I1"}, true},
	} {
		require.Equal(t, row.good, row.r.verdict(row.expect) == nil, "%v expected %v", row.r.violations, row.expect)
	}
}

func TestTheShortestEvidence(t *testing.T) {
	op := func(call history.Time) *history.Op { return &history.Op{Call: call, Return: call} }
	long := history.Violation{Invariant: "I3", What: "long"}
	long.Evidence = append(long.Evidence, op(1), op(50))
	short := history.Violation{Invariant: "I3", What: "short"}
	short.Evidence = append(short.Evidence, op(10), op(20))
	r := &report{violations: map[string]*finding{}}
	r.find(&long, nil)
	require.Contains(t, r.violations["I3"].text, "long")
	r.find(&short, nil)
	require.Contains(t, r.violations["I3"].text, "short")
	short.What, short.Evidence = "more lines", append(short.Evidence, op(20))
	r.find(&short, nil)
	require.NotContains(t, r.violations["I3"].text, "more lines")
	require.Equal(t, 3, r.violations["I3"].count)
}
