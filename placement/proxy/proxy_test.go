package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/nohop/memcache/placement"
	"github.com/stretchr/testify/require"
)

func readJSON(t testing.TB, file string, into any) {
	t.Helper()
	compressed, err := os.ReadFile(file)
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(r).Decode(into))
}

func unpack(t testing.TB, row []json.RawMessage, into ...any) {
	t.Helper()
	require.Len(t, row, len(into))
	for i, value := range into {
		require.NoError(t, json.Unmarshal(row[i], value))
	}
}

func TestJumpVectors(t *testing.T) {
	var golden struct {
		Rows [][]json.RawMessage `json:"proxy_xxh3_jump"`
	}
	readJSON(t, "../testdata/mcrouter_hash.json.gz", &golden)
	require.Len(t, golden.Rows, 60)
	for _, row := range golden.Rows {
		var key, seed, hash string
		var n, want int
		unpack(t, row, &key, &seed, &n, &want, &hash)
		f, err := Jump(n, seed)
		require.NoError(t, err)
		require.Equal(t, want, f(key), "%s", row)
		require.Equal(t, hash, fmt.Sprintf("%016x", hash64(seed)(key)), "%s", row)
	}
}

// ring is a pool of testdata/ring.json.gz, which holds answers of the proxy's own ring code.
type ring struct {
	Mode    string
	Buckets int
	Hash    string
	Seed    string
	Servers []string
	Placed  [][]json.RawMessage // key, index
}

func (r ring) build(t testing.TB) placement.Func {
	hash := placement.Hash(placement.MD5)
	if r.Hash == "xxh3" {
		hash = Hash32(r.Seed)
	}
	modes := map[string]Mode{"default": Default, "ketama": Ketama, "twemproxy": Twemproxy, "evcache": EVCache}
	require.Contains(t, modes, r.Mode)
	f, err := Ring(servers(t, r.Servers...), modes[r.Mode], r.Buckets, hash)
	require.NoError(t, err)
	return f
}

func servers(t testing.TB, addresses ...string) []placement.Server {
	list := make([]placement.Server, len(addresses))
	for i, address := range addresses {
		s, err := placement.ParseServer(address)
		require.NoError(t, err)
		list[i] = s
	}
	return list
}

func TestRingVectors(t *testing.T) {
	var golden struct{ Rings []ring }
	readJSON(t, "testdata/ring.json.gz", &golden)
	require.Len(t, golden.Rings, 36)
	for _, r := range golden.Rings {
		f := r.build(t)
		for _, row := range r.Placed {
			var key string
			var want int
			unpack(t, row, &key, &want)
			require.Equal(t, want, f(key), "%s of %s, %s %q", row, r.Mode, r.Hash, r.Seed)
		}
	}
}

func TestTwemproxyModeIsKetama(t *testing.T) {
	list := servers(t, "10.0.0.1:11211", "10.0.0.2:11212", "10.0.0.3")
	f, err := Ring(list, Twemproxy, 0, placement.MD5)
	require.NoError(t, err)
	g, err := placement.Ketama(list, placement.MD5)
	require.NoError(t, err)
	for i := range 1000 {
		key := fmt.Sprint("key", i)
		require.Equal(t, g(key), f(key))
	}
}

func TestBadOptions(t *testing.T) {
	list := servers(t, "a:1", "b:2")
	for name, c := range map[string]struct {
		servers []placement.Server
		mode    Mode
		buckets int
		hash    placement.Hash
		want    error
	}{
		"no servers":              {nil, Default, 0, placement.MD5, placement.ErrSize},
		"no hash":                 {list, Default, 0, nil, placement.ErrHash},
		"unknown mode":            {list, EVCache + 1, 0, placement.MD5, ErrRing},
		"negative mode":           {list, -1, 0, placement.MD5, ErrRing},
		"negative buckets":        {list, Default, -4, placement.MD5, ErrRing},
		"too many points":         {list, Default, maxPoints/2 + 1, placement.MD5, ErrRing},
		"MD5 gives four at once":  {list, Ketama, 42, placement.MD5, ErrRing},
		"a server twice":          {append(list, list[0]), Default, 0, placement.MD5, placement.ErrServer},
		"the default port counts": {servers(t, "a", "a:11211"), Default, 0, placement.MD5, placement.ErrServer},
		"a server without a host": {[]placement.Server{{Name: "x"}}, Default, 0, placement.MD5, placement.ErrServer},
		"a server with a name":    {[]placement.Server{{Host: "a", Name: "x"}}, Default, 0, placement.MD5, placement.ErrServer},
		"a weight":                {[]placement.Server{{Host: "a", Weight: 2}}, Default, 0, placement.MD5, placement.ErrWeight},
		"a bad port":              {[]placement.Server{{Host: "a", Port: 65536}}, Default, 0, placement.MD5, placement.ErrServer},
	} {
		_, err := Ring(c.servers, c.mode, c.buckets, c.hash)
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := Jump(0, "")
	require.ErrorIs(t, err, placement.ErrSize)
}

func TestInsideTag(t *testing.T) {
	for key, want := range map[string]string{
		"":              "",
		"plain":         "plain",
		"a{b}c":         "b",
		"a{b}{c}":       "b",
		"a}b{c}":        "c",
		"a{b":           "a{b",
		"a{":            "a{",
		"a{}b{c}":       "", // the one difference to placement.InsideTag
		"{{}":           "{",
		"{whole key:1}": "whole key:1",
	} {
		require.Equal(t, want, InsideTag(key, '{', '}'), key)
	}
	require.Equal(t, "b", InsideTag("a$b$c", '$', '$'))
}

func TestNoAllocations(t *testing.T) {
	jump, err := Jump(100, "seed")
	require.NoError(t, err)
	circle, err := Ring(servers(t, "a:1", "b:2", "c:3"), Default, 0, Hash32("seed"))
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		jump("user:1234:profile")
		circle("user:1234:profile")
		InsideTag("user:{1234}:profile", '{', '}')
	}))
}

func BenchmarkJump(b *testing.B) {
	for _, n := range []int{3, 3000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f, err := Jump(n, "seed")
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				f("user:1234:profile")
			}
		})
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"", "a", "user:{1}:x", "a{}b", "\xff\x00", "{", "}{"} {
		f.Add(key)
	}
	jump, err := Jump(7, "seed")
	require.NoError(f, err)
	circle, err := Ring(servers(f, "a:1", "b:2", "c:3"), EVCache, 0, Hash32(""))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, key string) {
		if node := jump(key); node < 0 || node >= 7 {
			t.Errorf("jump: %d", node)
		}
		if node := circle(key); node < 0 || node >= 3 {
			t.Errorf("ring: %d", node)
		}
		if part := InsideTag(key, '{', '}'); len(part) > len(key) {
			t.Errorf("%q is longer than the key", part)
		}
	})
}
