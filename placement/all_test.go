package placement

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// everyFunc builds each kind of Func for n nodes.
func everyFunc(t testing.TB, n int) map[string]Func {
	p := place(t)
	servers, alike := make([]Server, n), make([]Server, n)
	tags, weights := make([]string, n), make([]float64, n)
	for i := range servers {
		servers[i] = Server{Host: fmt.Sprintf("10.0.%d.%d", i/250, i%250)}
		alike[i] = servers[i]
		servers[i].Weight = 1 + i%3
		tags[i] = servers[i].KetamaName()
		weights[i] = 1 - float64(i%3)/4
	}
	return map[string]Func{
		"CRC32":              p(CRC32(n)),
		"McrouterCRC32":      p(McrouterCRC32(n)),
		"Modulo":             p(Modulo(n, OneAtATime)),
		"Jump":               p(Jump(n, xxhash.Sum64String)),
		"Ketama":             p(Ketama(servers, MD5)),
		"KetamaUnweighted":   p(KetamaUnweighted(alike, OneAtATime)),
		"TwemproxyModula":    p(TwemproxyModula(servers, FNV1a64)),
		"Ch3":                p(Ch3(n)),
		"SaltedCh3":          Salted(p(Ch3(n)), "pepper"),
		"WeightedCh3":        p(WeightedCh3(n, weights)),
		"WeightedCh3 of 0":   p(WeightedCh3(n, make([]float64, n))), // needs every try
		"ConstShard":         p(ConstShard(n)),
		"Rendezvous":         rendezvous(t, tags, nil).Pick,
		"WeightedRendezvous": rendezvous(t, tags, weights).Pick,
	}
}

const typicalKey = "user:1234567:profile"

func TestNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	longest := string(make([]byte, 250))
	for name, f := range everyFunc(t, 10) {
		f(longest) // Salted makes room once
		require.Zero(t, testing.AllocsPerRun(100, func() { f(typicalKey); f("p:99999999999999999999:x"); f(longest) }), name)
	}
	r := rendezvous(t, numberedTags(10), nil)
	order := make([]int, 0, 10)
	require.Zero(t, testing.AllocsPerRun(100, func() { r.AppendOrder(order, typicalKey) }), "AppendOrder")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		Fraction(typicalKey)
		ShardID(typicalKey)
		InsideTag(typicalKey, '{', '}')
		BeforeHashStop(typicalKey)
	}))
}

func TestOneNodeHoldsEverything(t *testing.T) {
	for name, f := range everyFunc(t, 1) {
		for _, key := range someKeys(100) {
			require.Zero(t, f(key), name)
		}
	}
}

func TestFuncsAreSafeForConcurrentUse(t *testing.T) {
	keys := someKeys(200)
	for name, f := range everyFunc(t, 7) {
		want := make([]int, len(keys))
		for i, key := range keys {
			want[i] = f(key)
		}
		t.Run(name, func(t *testing.T) {
			for range 4 {
				t.Run("", func(t *testing.T) {
					t.Parallel()
					for i, key := range keys {
						if f(key) != want[i] {
							t.Errorf("%q moved", key)
						}
					}
				})
			}
		})
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"", "a", "|#|", "a|#|b", "a:1:b", "::", "a:99999999999999999999:b", "{}", "{a}", "\x00\xff", typicalKey} {
		f.Add(key)
	}
	const n = 7
	funcs := everyFunc(f, n)
	r := rendezvous(f, numberedTags(n), nil)
	f.Fuzz(func(t *testing.T, key string) {
		for name, place := range funcs {
			if node := place(key); node < 0 || node >= n {
				t.Errorf("%s: %d", name, node)
			}
		}
		if order := r.AppendOrder(nil, key); len(order) != n || order[0] != r.Pick(key) {
			t.Errorf("order %v, pick %d", order, r.Pick(key))
		}
		if fraction := Fraction(key); fraction < 0 || fraction >= 1 {
			t.Errorf("fraction %v", fraction)
		}
		shard, _ := ShardID(key)
		for _, part := range []string{BeforeHashStop(key), InsideTag(key, '{', '}'), shard} {
			if len(part) > len(key) {
				t.Errorf("%q is longer than the key", part)
			}
		}
	})
}

func BenchmarkPlace(b *testing.B) {
	for _, n := range []int{3, 100, 3000} {
		for name, f := range everyFunc(b, n) {
			b.Run(fmt.Sprintf("%s/nodes=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f(typicalKey)
				}
			})
		}
	}
}

func BenchmarkRendezvousOrder(b *testing.B) {
	for _, n := range []int{3, 30} {
		r := rendezvous(b, numberedTags(n), nil)
		order := make([]int, 0, n)
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.AppendOrder(order, typicalKey)
			}
		})
	}
}
