package discovery

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValidateFillsIn(t *testing.T) {
	input := []Node{
		{Name: "z", Addr: "cache:011"}, {Addr: "[2001:DB8:0::1]"}, {Addr: "::1"}, {Addr: "/run/memcached.sock", Weight: 2.5, Zone: "a"},
		{Addr: "[::ffff:10.0.0.1]:11211"}, {Addr: "10.0.0.1", Zone: "late"}, {Addr: "[fe80::1%eth0]:1"},
		{Addr: "unix:/run/other.sock"},
	}
	before := slices.Clone(input)
	list, err := Validate(input, 10)
	require.NoError(t, err)
	require.Equal(t, before, input)
	require.Equal(t, []Node{
		{Name: "/run/memcached.sock", Addr: "/run/memcached.sock", Weight: 2.5, Zone: "a"},
		{Name: "/run/other.sock", Addr: "/run/other.sock", Weight: 1},
		{Name: "10.0.0.1:11211", Addr: "10.0.0.1:11211", Weight: 1},
		{Name: "[2001:db8::1]:11211", Addr: "[2001:db8::1]:11211", Weight: 1},
		{Name: "[::1]:11211", Addr: "[::1]:11211", Weight: 1},
		{Name: "[fe80::1%eth0]:1", Addr: "[fe80::1%eth0]:1", Weight: 1},
		{Name: "z", Addr: "cache:11", Weight: 1},
	}, list)
	again, err := Validate(list, 10)
	require.NoError(t, err)
	require.Equal(t, list, again)
}

func TestValidateRefuses(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, row := range []struct {
		what string
		node Node
		want error
	}{
		{"no address", Node{Name: "n"}, ErrBadAddr},
		{"port 0", Node{Addr: "a:0"}, ErrBadAddr},
		{"port too large", Node{Addr: "a:65536"}, ErrBadAddr},
		{"port of letters", Node{Addr: "a:http"}, ErrBadAddr},
		{"no host", Node{Addr: ":11211"}, ErrBadAddr},
		{"space", Node{Addr: "a b:1"}, ErrBadAddr},
		{"newline", Node{Addr: "a\r\nflush_all:1"}, ErrBadAddr},
		{"URL", Node{Addr: "http://a:1"}, ErrBadAddr},
		{"prefix", Node{Addr: "dns+a:1"}, ErrBadAddr},
		{"brackets without IPv6", Node{Addr: "[10.0.0.1]:1"}, ErrBadAddr},
		{"name in brackets", Node{Addr: "[a]:1"}, ErrBadAddr},
		{"open bracket", Node{Addr: "[::1:1"}, ErrBadAddr},
		{"zone of an address with a space", Node{Addr: "[fe80::1%a b]:1"}, ErrBadAddr},
		{"zone with a space, no brackets", Node{Addr: "fe80::1%a b"}, ErrBadAddr},
		{"host too long", Node{Addr: long}, ErrBadAddr},
		{"NUL in a path", Node{Addr: "/a\x00b"}, ErrBadAddr},
		{"name too long", Node{Addr: "a", Name: long}, ErrBadName},
		{"name with a newline", Node{Addr: "a", Name: "a\nb"}, ErrBadName},
		{"name not UTF-8", Node{Addr: "a", Name: "\xff"}, ErrBadName},
		{"path with a space as a name", Node{Addr: "/a b"}, ErrBadName},
		{"zone with a space", Node{Addr: "a", Zone: "a b"}, ErrBadZone},
		{"negative weight", Node{Addr: "a", Weight: -0.1}, ErrBadWeight},
		{"NaN", Node{Addr: "a", Weight: math.NaN()}, ErrBadWeight},
		{"infinite", Node{Addr: "a", Weight: math.Inf(1)}, ErrBadWeight},
	} {
		list, err := Validate([]Node{{Addr: "good"}, row.node}, 10)
		require.ErrorIs(t, err, row.want, row.what)
		require.Nil(t, list, row.what)
		var bad *NodeError
		require.ErrorAs(t, err, &bad, row.what)
		require.Equal(t, row.node.Addr, bad.Addr, row.what)
		require.Less(t, len(err.Error()), 400, row.what)
		require.NotContains(t, err.Error(), "\n", row.what)
	}
	_, err := Validate([]Node{{Addr: "a"}, {Addr: "b"}}, 1)
	require.ErrorIs(t, err, ErrTooManyNodes)
	list, err := Validate(nil, 1)
	require.NoError(t, err)
	require.Empty(t, list)
}

// Whatever the order of a list, the valid form is the same, or it is refused for the same reason.
func TestValidateIgnoresOrder(t *testing.T) {
	for _, nodes := range [][]Node{
		StaticAddrs("a", "b", "c", "b:11211", "/s", "10.0.0.1"),
		{{Name: "n", Addr: "a"}, {Name: "n", Addr: "b"}, {Addr: "c"}},
	} {
		want, wantErr := Validate(nodes, 10)
		for range 100 {
			rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
			got, err := Validate(nodes, 10)
			require.Equal(t, want, got)
			require.Equal(t, wantErr, err)
		}
	}
}

// Of two sources that know the same node, the first one's knowledge counts.
func TestValidateFirstOfEqualNodesCounts(t *testing.T) {
	nodes := []Node{{Addr: "z"}, {Addr: "a", Zone: "first"}}
	for i := range 100 {
		nodes = append(nodes, Node{Addr: "a:11211", Zone: "later"}, Node{Addr: fmt.Sprint("b", i*37%100)})
	}
	list, err := Validate(nodes, len(nodes))
	require.NoError(t, err)
	require.Len(t, list, 102)
	require.Equal(t, Node{Name: "a:11211", Addr: "a:11211", Zone: "first", Weight: 1}, list[0])
}

func FuzzValidate(f *testing.F) {
	for _, addr := range []string{"a", "a:1", "[::1]:1", "::1", "/s", "[", "]", "[]", "[::1", "%", "[::1%]:1", "a:b:c"} {
		f.Add(addr, "", "", 0.0)
		f.Add("a", addr, addr, 1.0)
	}
	f.Fuzz(func(t *testing.T, addr, name, zone string, weight float64) {
		list, err := Validate([]Node{{Addr: addr, Name: name, Zone: zone, Weight: weight}}, 1)
		if err != nil {
			return
		}
		again, err := Validate(list, 1)
		require.NoError(t, err, "what is valid stays so")
		require.Equal(t, list, again)
	})
}
