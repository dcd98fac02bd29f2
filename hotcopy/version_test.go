package hotcopy

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestCopyNames(t *testing.T) {
	for _, c := range []struct {
		generation, cas uint64
		key, name       string
	}{
		{1, 2, "k", "~c1.2.k"},
		{35, 36, "a.b", "~cz.10.a.b"},
		{1<<64 - 1, 1<<64 - 1, "k", "~c3w5e11264sgsf.3w5e11264sgsf.k"},
		{1, 2, strings.Repeat("k", 244), "~c1.2." + strings.Repeat("k", 244)},
		{1, 2, strings.Repeat("k", 245), "~c1.2#RL3Po3OEQ1wY2AY2cVhPZIKJaG8"},
		{1, 2, "binary key", "~c1.2#LN_YRj8jlUZ9UoPAhPBXUjtyV8o"},
	} {
		name := appendCopyName(c.generation, c.cas, c.key)
		if !strings.Contains(c.name, "#") {
			require.Equal(t, c.name, name)
		}
		require.NoError(t, protocol.CheckKey(name))
		require.Equal(t, strings.Contains(c.name, "#"), strings.Contains(name, "#"))
	}
	_, ok := version{cas: 1}.copyName("k")
	require.False(t, ok, "no generation")
}

// FuzzCopyNames looks for two values with one name, and for names that a node refuses.
func FuzzCopyNames(f *testing.F) {
	f.Add(uint64(1), uint64(2), "k", uint64(1), uint64(2), "k2")
	f.Add(uint64(1), uint64(36), "k", uint64(37), uint64(0), "k") // digits that could move
	f.Add(uint64(1), uint64(2), "3.k", uint64(1), uint64(2), "k")
	f.Add(uint64(1), uint64(2), strings.Repeat("k", 245), uint64(1), uint64(2), strings.Repeat("k", 246))
	f.Add(uint64(1), uint64(2), "a b", uint64(1), uint64(2), "a\nb")
	f.Add(uint64(1), uint64(2), "#x", uint64(1), uint64(2), ".x")
	f.Fuzz(func(t *testing.T, g1, v1 uint64, k1 string, g2, v2 uint64, k2 string) {
		one, two := appendCopyName(g1, v1, k1), appendCopyName(g2, v2, k2)
		require.NoError(t, protocol.CheckKey(one))
		require.True(t, strings.HasPrefix(one, copyPrefix))
		require.True(t, pool.IsReserved(one))
		require.Equal(t, g1 == g2 && v1 == v2 && k1 == k2, one == two)
	})
}

// Versions are the same if the CAS is, and the connection or the generation.
func TestVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		s := f.servers[0]
		read := func(n *pool.Node) version {
			op := getOp("k")
			newProcess(t, []*pool.Node{n}).succeed(op)
			return versionOf(op)
		}
		node := func(generations bool, server int) *pool.Node {
			return pool.NewNode(pool.Config{Addr: f.servers[server].Addr(), Dial: f.servers[server].DialContext, Generations: generations})
		}
		for range 2 {
			newProcess(t, []*pool.Node{node(true, 0)}).succeed(storeOp(protocol.Set, "k", "v"))
		}
		newProcess(t, []*pool.Node{node(true, 1)}).succeed(storeOp(protocol.Set, "k", "v"))
		known, unknown := node(true, 0), node(false, 0)
		a, b := read(known), read(unknown)
		require.True(t, a.isKnown())
		require.True(t, a.is(read(known)))
		require.True(t, b.is(read(unknown)))
		require.False(t, a.is(b))
		require.False(t, a.is(version{a.cas + 1, a.token}))
		require.False(t, a.is(read(node(true, 1))))
		require.False(t, version{}.is(version{}))
		require.False(t, version{token: a.token}.is(version{token: a.token}), "a node without CAS")
		s.CloseClientConnections()
		synctest.Wait()
		require.True(t, a.is(read(known)))
		require.False(t, b.is(read(unknown)))
	})
}
