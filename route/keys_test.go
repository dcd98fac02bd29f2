package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// fakesByName returns a fake for each name, by name.
func fakesByName(names ...string) (fakes map[string]*fake, routes map[string]Route) {
	fakes, routes = map[string]*fake{}, map[string]Route{}
	for _, n := range names {
		f := &fake{name: n}
		fakes[n], routes[n] = f, f
	}
	return fakes, routes
}

// whoSaw returns the names of those that were asked since the last time, in order.
func whoSaw(fakes map[string]*fake) string {
	var seen []string
	for _, n := range sortedNames(fakes) {
		f := fakes[n]
		f.mu.Lock()
		if len(f.calls) > 0 {
			seen = append(seen, n)
		}
		f.calls, f.seen = nil, nil
		f.mu.Unlock()
	}
	return strings.Join(seen, " ")
}

func TestByGroup(t *testing.T) {
	fakes, r := fakesByName("get", "update", "delete", "arithmetic", "other")
	tree := ByGroup(r["other"], Groups{Get: r["get"], Update: r["update"], Delete: r["delete"], Arithmetic: r["arithmetic"]})
	for c, want := range map[protocol.Command]string{
		protocol.Get: "get", GetForUpdate: "get", protocol.GetAndTouch: "get",
		protocol.Set: "update", protocol.Add: "update", protocol.Replace: "update", protocol.Append: "update",
		protocol.Prepend: "update", CompareAndSwap: "update",
		protocol.Delete: "delete", protocol.Increment: "arithmetic", protocol.Decrement: "arithmetic",
		protocol.Touch: "other", protocol.FlushAll: "other",
	} {
		do(tree, asks(c, "k"))
		require.Equal(t, want, whoSaw(fakes), operationName(c))
	}
	do(ByGroup(r["other"], Groups{Get: r["get"]}), asks(protocol.Set, "k"))
	require.Equal(t, "other", whoSaw(fakes))
}

// get, set and delete to three servers: each touches only its own.
func TestByOperationReachesItsOwn(t *testing.T) {
	fakes, r := fakesByName("get", "set", "delete", "other")
	tree := ByOperation(r["other"], map[protocol.Command]Route{protocol.Get: r["get"], protocol.Set: r["set"], protocol.Delete: r["delete"]})
	for c, want := range map[protocol.Command]string{
		protocol.Get: "get", GetForUpdate: "get", protocol.Set: "set", CompareAndSwap: "set", protocol.Delete: "delete",
		protocol.Add: "other", protocol.Command(200): "other",
	} {
		do(tree, asks(c, "k"))
		require.Equal(t, want, whoSaw(fakes), operationName(c))
	}
}

func TestByPrefix(t *testing.T) {
	fakes, r := fakesByName("a", "ab", "b", "*", "empty")
	tree := ByPrefix(r["*"], map[string]Route{"a": r["a"], "ab": r["ab"], "b": r["b"]})
	for key, want := range map[string]string{"": "*", "o": "*", "a": "a", "ac": "a", "ab": "ab", "abc": "ab", "b": "b"} {
		do(tree, get(key))
		require.Equal(t, want, whoSaw(fakes), "key %q", key)
	}
	do(tree, gets("a1", "ab1", "o1")...)
	require.Equal(t, "* a ab", whoSaw(fakes), "a batch is parted")
	tree = ByPrefix(r["*"], map[string]Route{"a": r["a"], "": r["empty"]})
	do(tree, get("b"))
	require.Equal(t, "empty", whoSaw(fakes), `the prefix "" stands before the fallback`)
}

func TestSplitRoutingPrefix(t *testing.T) {
	for key, want := range map[string][2]string{
		"":               {"", ""},
		"k":              {"", "k"},
		"/":              {"", "/"},
		"//k":            {"", "//k"},
		"/a/k":           {"", "/a/k"},
		"/a//k":          {"", "/a//k"},
		"/a/b/":          {"/a/b/", ""},
		"/a/b/k":         {"/a/b/", "k"},
		"/a/b/c/k":       {"/a/b/", "c/k"},
		"/east/*/user:1": {"/east/*/", "user:1"},
	} {
		prefix, rest := splitRoutingPrefix(key)
		require.Equal(t, want, [2]string{prefix, rest}, "key %q", key)
	}
}

func TestByRoutingPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fakes, r := fakesByName("east1", "east2", "west1")
		p := RoutingPrefixes{Default: "/east/1/", Routes: map[string]Route{
			"/east/1/": r["east1"], "/east/2/": r["east2"], "/west/1/": r["west1"], "/west/same/": r["west1"],
		}}
		b := NewBackground(10)
		defer b.Close()
		tree, err := ByRoutingPrefix(p, b)
		require.NoError(t, err)
		for key, want := range map[string]string{
			"k": "east1", "/east/2/k": "east2", "/west/1/k": "west1", "/east/*/k": "east1 east2", "/*/*/k": "east1 east2 west1",
			"/west/*/k": "west1", "/*/2/k": "east2",
		} {
			op := get(key)
			do(tree, op)
			synctest.Wait()
			require.NoError(t, op.Err, key)
			require.Equal(t, key, op.Request.Key, "as the caller wrote it")
			require.Equal(t, HashKey(key), op.Hash)
			for _, f := range fakes {
				for _, k := range f.asked() {
					require.Equal(t, "k", k)
				}
			}
			require.Equal(t, want, whoSaw(fakes), key)
		}
		for _, key := range []string{"/north/1/k", "/north/*/k", "/[/*/k"} {
			op := get(key)
			do(tree, op)
			require.ErrorIs(t, op.Err, ErrNoRoute, key)
			require.Empty(t, whoSaw(fakes))
		}
		p.UnknownToThat = true
		tree, err = ByRoutingPrefix(p, b)
		require.NoError(t, err)
		do(tree, get("/north/1/k"))
		require.Equal(t, "east1", whoSaw(fakes))
		batch := gets("k", "/west/1/k2", "/east/2/k3")
		do(tree, batch...)
		require.Equal(t, "east1 east2 west1", whoSaw(fakes))
		require.Equal(t, "/west/1/k2", batch[1].Request.Key)
	})
}

// The answer of a broadcast is the default route's.
func TestBroadcastAnswer(t *testing.T) {
	b := NewBackground(10)
	defer b.Close()
	list, r := fakes(hit("default"), hit("other"))
	tree, err := ByRoutingPrefix(RoutingPrefixes{Default: "/z/z/", Routes: map[string]Route{"/z/z/": r[0], "/a/a/": r[1]}}, b)
	require.NoError(t, err)
	op := get("/*/*/k")
	do(tree, op)
	require.Equal(t, "default", string(op.Value))
	b.Close()
	require.Len(t, list[1].asked(), 1)
}

// Two clusters, each with routes by prefix, some of which are the same: a broadcast reaches each route once.
func TestBroadcastOverPrefixes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fakes, r := fakesByName("1", "2", "5", "6", "8", "10", "20")
		first := ByPrefix(r["10"], map[string]Route{"a": r["1"], "bb": r["2"]})
		second := ByPrefix(r["20"], map[string]Route{"a": r["1"], "aa": r["5"], "b": r["6"], "bc": r["8"]})
		b := NewBackground(10)
		defer b.Close()
		tree, err := ByRoutingPrefix(RoutingPrefixes{Default: "/r/1/", Routes: map[string]Route{"/r/1/": first, "/r/2/": second}}, b)
		require.NoError(t, err)
		for key, want := range map[string]string{"a": "1", "aa": "1 5", "b": "10 6", "bb": "2 6", "bc": "10 8", "": "10 20"} {
			do(tree, get("/*/*/"+key))
			synctest.Wait()
			require.Equal(t, want, whoSaw(fakes), "key %q", key)
		}
	})
}

func TestRoutingPrefixErrors(t *testing.T) {
	_, r := fakes(nil)
	for name, p := range map[string]RoutingPrefixes{
		"no default":      {Routes: map[string]Route{"/a/b/": r[0]}},
		"default missing": {Default: "/b/b/", Routes: map[string]Route{"/a/b/": r[0]}},
		"no prefix":       {Default: "a", Routes: map[string]Route{"a": r[0]}},
		"a pattern":       {Default: "/a/*/", Routes: map[string]Route{"/a/*/": r[0]}},
	} {
		_, err := ByRoutingPrefix(p, NewBackground(1))
		require.Error(t, err, name)
	}
}

// Keys with the same part live together; the whole key is sent.
func TestByKeyPart(t *testing.T) {
	var members []Member
	var list []*fake
	for i := range 5 {
		f := &fake{}
		list, members = append(list, f), append(members, Member{Route: f, Name: fmt.Sprint("n", i)})
	}
	part := func(key string) string { return key[:strings.Index(key, "|#|")] }
	tree := ByKeyPart(part, Hash(slots(t, members, 1, "")))
	var batch []*Op
	for i := range 20 {
		batch = append(batch, get(fmt.Sprintf("user:7|#|%d", i)))
	}
	do(tree, batch...)
	do(tree, get("user:7|#|alone"))
	asked := 0
	for _, f := range list {
		if len(f.asked()) > 0 {
			asked++
			require.Len(t, f.asked(), 21)
			require.Contains(t, f.asked(), "user:7|#|3")
		}
	}
	require.Equal(t, 1, asked)
	require.Contains(t, Explain(tree, get("user:7|#|3")).String(), `placed by "user:7"`)
}

func TestModifyKey(t *testing.T) {
	none, west := "", "/west/1/"
	for _, row := range []struct {
		change    KeyChange
		key, want string
	}{
		{KeyChange{}, "k", "k"},
		{KeyChange{Prefix: "foo:"}, "k", "foo:k"},
		{KeyChange{Prefix: "foo:"}, "foo:k", "foo:k"},
		{KeyChange{Prefix: "foo:"}, "/a/b/k", "/a/b/foo:k"},
		{KeyChange{Prefix: "foo:", Replace: "bar:"}, "bar:k", "foo:k"},
		{KeyChange{Prefix: "foo:", Replace: "bar:"}, "k", "foo:k"},
		{KeyChange{Prefix: "foo:", Replace: "bar:"}, "/a/b/bar:k", "/a/b/foo:k"},
		{KeyChange{RoutingPrefix: &west}, "k", "/west/1/k"},
		{KeyChange{RoutingPrefix: &west}, "/a/b/k", "/west/1/k"},
		{KeyChange{RoutingPrefix: &none}, "/a/b/k", "k"},
		{KeyChange{RoutingPrefix: &west, Prefix: "foo:", Suffix: ":v2"}, "/a/b/k", "/west/1/foo:k:v2"},
	} {
		f := &fake{}
		tree, err := ModifyKey(row.change, f)
		require.NoError(t, err)
		op, other := get(row.key), get(row.key)
		do(tree, op)
		do(tree, other, get(row.key))
		require.Equal(t, []string{row.want, row.want, row.want}, f.asked(), "%+v", row)
		require.Equal(t, get(row.key).Request, op.Request, "as the caller wrote it")
		require.Equal(t, HashKey(row.key), other.Hash)
	}
}

func TestModifyKeyRefuses(t *testing.T) {
	bad := "nonsense"
	for _, change := range []KeyChange{
		{Replace: "a"}, {RoutingPrefix: &bad}, {Prefix: "a b"}, {Suffix: "\n"}, {Prefix: strings.Repeat("x", 251)},
	} {
		_, err := ModifyKey(change, &fake{})
		require.ErrorIs(t, err, ErrKeyChange)
	}
	f := &fake{}
	tree, err := ModifyKey(KeyChange{Prefix: strings.Repeat("x", 200)}, f)
	require.NoError(t, err)
	long, short := get(strings.Repeat("k", 100)), get("k")
	do(tree, long, short)
	require.ErrorIs(t, long.Err, protocol.ErrMalformedKey)
	require.NoError(t, short.Err)
	require.Len(t, f.asked(), 1)
	do(tree, long)
	require.ErrorIs(t, long.Err, protocol.ErrMalformedKey)
	require.Contains(t, Explain(tree, long).String(), "refused")
}

func TestModifyExptime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		for _, row := range []struct {
			action    ExptimeAction
			ttl       time.Duration
			command   protocol.Command
			was, want int64
		}{
			{SetExptime, time.Minute, protocol.Set, 0, 60},
			{SetExptime, time.Minute, protocol.Set, 10, 60},
			{SetExptime, 0, protocol.Set, 10, 0},
			{MinExptime, time.Minute, protocol.Set, 0, 60},
			{MinExptime, time.Minute, protocol.Add, 10, 10},
			{MinExptime, time.Minute, protocol.Replace, 100, 60},
			{MinExptime, 0, protocol.Set, 10, 10},
			{MinExptime, time.Minute, protocol.Touch, now + 40, now + 40},
			{MinExptime, time.Minute, protocol.GetAndTouch, now + 90, 60},
			{SetExptime, time.Minute, protocol.Delete, 0, 0},
			{SetExptime, time.Minute, protocol.Append, 0, 0},
			{SetExptime, time.Minute, protocol.FlushAll, 5, 5},
		} {
			f := &fake{}
			tree, err := ModifyExptime(row.action, row.ttl, f)
			require.NoError(t, err)
			op := asks(row.command, "k")
			op.Request.Exptime = row.was
			do(tree, op)
			require.Equal(t, row.want, f.seen[0].Exptime, "%+v", row)
			require.Equal(t, row.was, op.Request.Exptime)
		}
	})
	for _, ttl := range []time.Duration{-1, 100 * 365 * 24 * time.Hour} {
		_, err := ModifyExptime(SetExptime, ttl, &fake{})
		require.ErrorIs(t, err, protocol.ErrInvalidTTL)
	}
	_, err := ModifyExptime(0, time.Minute, &fake{})
	require.Error(t, err)
}

func TestByShard(t *testing.T) {
	fakes, r := fakesByName("0", "1", "fallback")
	shard := func(key string) (n int, ok bool) {
		_, err := fmt.Sscanf(key, "s:%d:", &n)
		return n, err == nil
	}
	tree := ByShard(shard, []Route{r["0"], r["1"], nil}, r["fallback"])
	for key, want := range map[string]string{
		"s:0:a": "0", "s:1:a": "1", "s:2:a": "fallback", "s:3:a": "fallback", "s:-1:a": "fallback", "a": "fallback",
	} {
		do(tree, get(key))
		require.Equal(t, want, whoSaw(fakes), key)
	}
}

// A function with keys 0, 1, 2: the first, the second, the third.
func TestPositions(t *testing.T) {
	fakes, r := fakesByName("a", "b", "c")
	position := func(key string) int { return int(key[0]-'0') % 3 }
	p, err := Positions([]Route{r["a"], r["b"], r["c"]}, 1, position)
	require.NoError(t, err)
	for key, want := range map[string]string{"0": "a", "1": "b", "2": "c", "3": "a"} {
		do(Hash(p), get(key))
		require.Equal(t, want, whoSaw(fakes))
	}
	p, err = Positions([]Route{r["a"], r["b"], r["c"]}, 2, position)
	require.NoError(t, err)
	do(AllSync(p), store(protocol.Set, "2", "v"))
	require.Equal(t, "a c", whoSaw(fakes))
	require.Contains(t, Explain(Hash(p), get("2")).String(), "position 2 of 3")
	p, err = Positions([]Route{r["a"]}, 5, func(string) int { return 0 })
	require.NoError(t, err)
	require.Len(t, p.Replicas(get("k")).All, 1)

	_, err = Positions(nil, 1, position)
	require.ErrorIs(t, err, ErrNoMembers)
	_, err = Positions([]Route{r["a"]}, 0, position)
	require.ErrorIs(t, err, ErrBadReplica)
}

func keySplitOf(t *testing.T, o KeySplitOptions, child Route) Route {
	t.Helper()
	r, err := KeySplit(o, child)
	require.NoError(t, err)
	return r
}

// 10 replicas, key abc, host id i: get and set are on abc for 0, else on abc::i.
func TestKeySplitUsesTheOwnCopy(t *testing.T) {
	for host := range uint64(12) {
		for key, want := range map[string]string{"abc": "abc", "abc|#|rest": "abc|#|rest"} {
			if n := host % 10; n > 0 {
				want = strings.Replace(key, "abc", fmt.Sprint("abc::", n), 1)
			}
			f := &fake{}
			tree := keySplitOf(t, KeySplitOptions{Copies: 10, HostID: host}, f)
			op := get(key)
			do(tree, op, store(protocol.Set, key, "v"))
			do(tree, asks(protocol.Increment, key))
			require.Equal(t, []string{want, want, want}, f.asked())
			require.Equal(t, key, op.Request.Key)
		}
	}
}

func TestKeySplitWritesAllCopies(t *testing.T) {
	var all []string
	for i := range 10 {
		all = append(all, copyOf("abc", i))
	}
	for _, sync := range []bool{false, true} {
		f := &fake{}
		do(keySplitOf(t, KeySplitOptions{Copies: 10, HostID: 3, AllSync: sync}, f), asks(protocol.Delete, "abc"))
		require.ElementsMatch(t, all, f.asked(), "delete")
	}
	f := &fake{}
	do(keySplitOf(t, KeySplitOptions{Copies: 10, HostID: 3, AllSync: true}, f), asks(protocol.Set, "abc"))
	require.ElementsMatch(t, all, f.asked(), "set")
}

// A lease is the own copy's alone, whatever the mode.
func TestKeySplitLeases(t *testing.T) {
	f := &fake{}
	lease := get("abc")
	lease.Request.Meta |= protocol.Vivify
	do(keySplitOf(t, KeySplitOptions{Copies: 10, HostID: 3, AllSync: true, FirstHit: true}, f), lease)
	require.Equal(t, []string{"abc::3"}, f.asked())
}

func TestKeySplitFirstHit(t *testing.T) {
	f := &fake{answer: func(op *Op) {
		if op.Request.Key == "abc::2" {
			hit("found")(op)
		} else {
			miss(op)
		}
	}}
	tree := keySplitOf(t, KeySplitOptions{Copies: 3, FirstHit: true}, f)
	op := get("abc")
	op.Dst = []byte("<")
	do(tree, op)
	require.Equal(t, "<found", string(op.Value))
	require.ElementsMatch(t, []string{"abc", "abc::1", "abc::2"}, f.asked())

	f.answer = miss
	do(tree, op)
	require.Equal(t, protocol.Miss, op.Reply.Status)

	f.answer = func(op *Op) {
		if op.Request.Key == "abc::2" {
			down(op)
		} else {
			miss(op)
		}
	}
	do(tree, op)
	require.ErrorIs(t, op.Err, pool.ErrNodeDown, "an error is not a miss")
}

func TestKeySplitBounds(t *testing.T) {
	for copies, ok := range map[int]bool{0: false, 1: false, 1001: false, -3: false, 2: true, 999: true, 1000: true} {
		_, err := KeySplit(KeySplitOptions{Copies: copies}, &fake{})
		require.Equal(t, ok, err == nil, copies)
	}
}

// mcrouter splits keys up to 250 bytes and passes longer ones as they are; here a key whose copies would be longer than
// 250 bytes is not split, for such copies could not be sent.
func TestKeySplitOfLongKeys(t *testing.T) {
	for length, split := range map[int]bool{100: true, 247: true, 248: false, 250: false} {
		f := &fake{}
		key := strings.Repeat("k", length)
		do(keySplitOf(t, KeySplitOptions{Copies: 2, HostID: 1}, f), get(key))
		require.Equal(t, []string{map[bool]string{true: key + "::1", false: key}[split]}, f.asked())
	}
}

// With all copies in step, what depends on the item is decided at the plain key, and every host sees it.
func TestKeySplitReadModifyWrites(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	n := pool.NewNode(pool.Config{Addr: s.Addr(), Timeout: testTimeout})
	defer n.Close()
	hosts := make([]Route, 3)
	for i := range hosts {
		hosts[i] = keySplitOf(t, KeySplitOptions{Copies: 3, HostID: uint64(i), AllSync: true}, n)
	}
	do(hosts[1], store(protocol.Set, "n", "40"))
	for i := range hosts {
		do(hosts[i], func() *Op { op := asks(protocol.Increment, "n"); op.Request.Delta = 1; return op }())
	}
	for i := range hosts {
		op := get("n")
		do(hosts[i], op)
		require.NoError(t, op.Err)
		require.Equal(t, "43", string(op.Value), "host %d", i)
	}
	update := asks(GetForUpdate, "n")
	update.Request.Meta = readFlags
	do(hosts[2], update)
	cas := asks(CompareAndSwap, "n")
	cas.Request.CAS, cas.Token = update.Reply.CAS, update.Token
	do(hosts[2], cas)
	require.NoError(t, cas.Err)
	require.Equal(t, protocol.OK, cas.Reply.Status)
	read := get("n")
	do(hosts[1], read)
	require.Equal(t, "v", string(read.Value))
}

func TestKeySplitReportsCopiesThatFailed(t *testing.T) {
	f := &fake{answer: func(op *Op) {
		if op.Request.Key == "k::2" {
			timeout(op)
		} else {
			says(protocol.OK)(op)
		}
	}}
	tree := keySplitOf(t, KeySplitOptions{Copies: 3, AllSync: true}, f)
	for _, c := range []protocol.Command{protocol.Set, protocol.Delete, protocol.Increment} {
		op := asks(c, "k")
		do(tree, op)
		var w *WriteError
		require.ErrorAs(t, op.Err, &w, "%v", c)
		require.Equal(t, 2, w.Acked)
		require.ErrorIs(t, op.Err, ErrPartialWrite)
	}
}

func sortedNames(fakes map[string]*fake) []string { return slices.Sorted(maps.Keys(fakes)) }
