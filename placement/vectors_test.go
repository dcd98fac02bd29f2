package placement

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// golden is the part of testdata/mcrouter_hash.json.gz that this package places: inputs and outputs of the functions of
// mcrouter. Its "_formats" says what the rows hold.
type golden struct {
	Ch3             []row       `json:"ch3"`
	Ch3Salted       []row       `json:"ch3_salted"`
	CRC32           []row       `json:"crc32"`
	Murmur          []row       `json:"murmur64a_seed4193360111"`
	Spooky          []row       `json:"spooky32_v2"`
	WeightedCh3     []row       `json:"wch3"`
	WeightSets      [][]float64 `json:"wch3_weight_sets"`
	Order           []row       `json:"rendezvous_order"`
	Tags            [][]string  `json:"rendezvous_tag_sets"`
	Weighted        []row       `json:"weighted_rendezvous"`
	WeightedWeights [][]float64 `json:"weighted_rendezvous_weights"`
}

type row []json.RawMessage

func (r row) text(t testing.TB, i int) (s string) {
	require.NoError(t, json.Unmarshal(r[i], &s))
	return s
}

func (r row) number(t testing.TB, i int) (n int) {
	require.NoError(t, json.Unmarshal(r[i], &n))
	return n
}

func (r row) hash(t testing.TB, i int) (h uint32) {
	require.NoError(t, json.Unmarshal(r[i], &h))
	return h
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	compressed, err := os.ReadFile("testdata/mcrouter_hash.json.gz")
	require.NoError(t, err)
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(r).Decode(&g))
	return g
}

// place unwraps a constructor whose arguments are known to be good.
func place(t testing.TB) func(f Func, err error) Func {
	return func(f Func, err error) Func {
		t.Helper()
		require.NoError(t, err)
		return f
	}
}

func TestCh3Vectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.Ch3, 500)
	for _, r := range g.Ch3 {
		f := place(t)(Ch3(r.number(t, 1)))
		require.Equal(t, r.number(t, 2), f(r.text(t, 0)), "%s", r)
	}
	require.Len(t, g.Ch3Salted, 60)
	for _, r := range g.Ch3Salted {
		f := Salted(place(t)(Ch3(r.number(t, 2))), r.text(t, 1))
		require.Equal(t, r.number(t, 3), f(r.text(t, 0)), "%s", r)
	}
}

func TestMcrouterCRC32Vectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.CRC32, 72)
	for _, r := range g.CRC32 {
		n := r.number(t, 1)
		require.Equal(t, r.number(t, 2), place(t)(McrouterCRC32(n))(r.text(t, 0)), "%s", r)
		require.Equal(t, int(r.hash(t, 3)%uint32(n)), place(t)(CRC32(n))(r.text(t, 0)), "%s", r)
	}
}

func TestMurmurVectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.Murmur, 60)
	for _, r := range g.Murmur {
		require.Equal(t, r.text(t, 1), fmt.Sprintf("%016x", murmur64A([]byte(r.text(t, 0)), ch3Seed)), "%s", r)
	}
	require.Equal(t, murmur64A([]byte("\x08\x07\x06\x05\x04\x03\x02\x01"), 99), murmur64AOfWord(0x0102030405060708, 99))
}

func TestSpookyVectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.Spooky, 108)
	long := 0
	for _, r := range g.Spooky {
		key := r.text(t, 0)
		require.Equal(t, r.hash(t, 1), SampleHash(key), "%s", r)
		require.Equal(t, r.hash(t, 2), spooky32([]byte(key), weightedCh3Seed), "%s", r)
		if len(key) >= spookyShort {
			long++
		}
	}
	require.NotZero(t, long, "the long form is tested too")
}

func TestWeightedCh3Vectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.WeightedCh3, 216)
	for _, r := range g.WeightedCh3 {
		weights := g.WeightSets[r.number(t, 1)]
		f := place(t)(WeightedCh3(len(weights), weights))
		require.Equal(t, r.number(t, 2), f(r.text(t, 0)), "%s %v", r, weights)
	}
}

func TestRendezvousVectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.Order, 108)
	for _, r := range g.Order {
		f, err := NewRendezvous(g.Tags[r.number(t, 1)])
		require.NoError(t, err)
		var want []int
		require.NoError(t, json.Unmarshal(r[2], &want))
		require.Equal(t, want, f.AppendOrder(nil, r.text(t, 0)), "%s", r)
		require.Equal(t, want[0], f.Pick(r.text(t, 0)), "%s", r)
	}
}

func TestWeightedRendezvousVectors(t *testing.T) {
	g := readGolden(t)
	require.Len(t, g.Weighted, 72)
	for _, r := range g.Weighted {
		set := r.number(t, 1)
		f, err := NewWeightedRendezvous(g.Tags[set], g.WeightedWeights[set])
		require.NoError(t, err)
		require.Equal(t, r.number(t, 2), f.Pick(r.text(t, 0)), "%s", r)
		require.Equal(t, r.number(t, 2), f.AppendOrder(nil, r.text(t, 0))[0], "%s", r)
	}
}

// What follows are the facts that mcrouter's own tests assert, with the same inputs.

func TestMcrouterSpotFacts(t *testing.T) {
	require.Equal(t, 97, place(t)(Ch3(100))("sample"))
	require.Equal(t, 72, place(t)(Ch3(100))(""))
	require.Equal(t, 5167780, place(t)(Ch3(1<<23))("sample"))
	require.Equal(t, 6173600, place(t)(Ch3(1<<23))(""))
	for n, want := range map[int]int{1: 0, 2: 0, 5: 4, 7: 5, 10: 7, 16: 14, 100: 22, 1000: 950, 10000: 3375, 1000000: 500854} {
		require.Equal(t, want, place(t)(Ch3(n))("key0"), n)
	}
	require.Equal(t, 7, place(t)(McrouterCRC32(100))("sample"))
	require.Equal(t, 822834884, place(t)(McrouterCRC32(1<<30-1))("sample"))
	for _, n := range []int{1, 2, 3, 100} {
		require.Zero(t, place(t)(McrouterCRC32(n))(""))
	}
}

func TestMcrouterCounts(t *testing.T) {
	require.Equal(t, []int{307, 342, 351}, count(place(t)(Ch3(3)), 3, 1000, ""))
	require.Equal(t, []int{995, 955, 1046, 968, 1032, 972, 1016, 1038, 1010, 968}, count(place(t)(Ch3(10)), 10, 10000, ""))
	require.Equal(t, []int{341, 371, 288}, count(place(t)(WeightedCh3(3, []float64{1, 1, .7})), 3, 1000, ""))
}

func TestRendezvousCounts(t *testing.T) {
	for _, c := range []struct {
		keys    int
		weights []float64 // nil: unweighted
		want    []int
	}{
		{1000, nil, []int{337, 353, 310}},
		{10000, nil, []int{947, 1026, 1028, 981, 1016, 970, 1013, 939, 1023, 1057}},
		{10000, []float64{1, 1, 1}, []int{3409, 3360, 3231}},
		{10000, []float64{1, .5, .1}, []int{6292, 3118, 590}},
		{10000, []float64{1, 0, .5}, []int{6737, 0, 3263}},
		{10000, []float64{1, 1, 1, 1, 1, .5, .5, .5, .5, .5}, []int{1381, 1299, 1283, 1359, 1296, 667, 669, 665, 672, 709}},
	} {
		r := rendezvous(t, numberedTags(len(c.want)), c.weights)
		require.Equal(t, c.want, count(r.Pick, len(c.want), c.keys, "mykey:"), c.weights)
	}
}

// rendezvous is unweighted if weights is nil.
func rendezvous(t testing.TB, tags []string, weights []float64) (r *Rendezvous) {
	t.Helper()
	var err error
	if weights == nil {
		r, err = NewRendezvous(tags)
	} else {
		r, err = NewWeightedRendezvous(tags, weights)
	}
	require.NoError(t, err)
	return r
}

// count places the keys prefix+"0", prefix+"1" and so on.
func count(f Func, n, keys int, prefix string) []int {
	counts := make([]int, n)
	for i := range keys {
		counts[f(prefix+strconv.Itoa(i))]++
	}
	return counts
}

// numberedTags are the tags of mcrouter's tests.
func numberedTags(n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("xxx.%d.yy", i)
	}
	return tags
}

func TestCh3Checksums(t *testing.T) {
	for n, want := range map[int]uint32{10: 2894016351, 100: 2289223413, 1000: 2251851331} {
		f := place(t)(Ch3(n))
		var sum uint32
		for i := range 100000 {
			sum = sum*31 + uint32(f("k"+strconv.Itoa(i)))
		}
		require.Equal(t, want, sum, n)
	}
}

func TestRendezvousFacts(t *testing.T) {
	var every []byte // all bytes, from 0x80 on
	for i := range 256 {
		every = append(every, byte(i-128))
	}
	keys := []string{"sample", "", "mykey", string(every)}
	picks := func(r *Rendezvous) (nodes []int) {
		for _, key := range keys {
			nodes = append(nodes, r.Pick(key))
		}
		return nodes
	}
	require.Equal(t, []int{1, 1, 1, 1}, picks(rendezvous(t, numberedTags(3), nil)))
	require.Equal(t, []int{45, 291, 132, 183}, picks(rendezvous(t, numberedTags(343), nil)))
	require.Equal(t, []int{0, 2, 1, 1}, picks(rendezvous(t, numberedTags(3), ones(3))))
	require.Equal(t, []int{115, 279, 302, 142}, picks(rendezvous(t, numberedTags(343), ones(343))))
}

func ones(n int) []float64 { return slices.Repeat([]float64{1}, n) }

func TestRendezvousRemovalMovesTheKeysOfTheRemovedOnly(t *testing.T) {
	const n = 499
	tags := numberedTags(n)
	plain, weighted := tenThousand(rendezvous(t, tags, nil)), tenThousand(rendezvous(t, tags, ones(n)))
	for _, c := range []struct {
		removed        int
		plain, weights int // keys that move
	}{{0, 14, 19}, {n - 1, 24, 17}, {n / 2, 15, 21}} {
		left := slices.Delete(slices.Clone(tags), c.removed, c.removed+1)
		require.Equal(t, c.plain, moves(t, tags, left, c.removed, plain, tenThousand(rendezvous(t, left, nil))))
		require.Equal(t, c.weights, moves(t, tags, left, c.removed, weighted, tenThousand(rendezvous(t, left, ones(n-1)))))
	}
}

// tenThousand returns the places of ten thousand keys.
func tenThousand(r *Rendezvous) []int {
	places := make([]int, 10000)
	for i := range places {
		places[i] = r.Pick("mykey:" + strconv.Itoa(i))
	}
	return places
}

// moves counts the keys that have another tag after than before, all of which were at removed.
func moves(t *testing.T, tags, left []string, removed int, before, after []int) (moved int) {
	for i, from := range before {
		if tags[from] != left[after[i]] {
			require.Equal(t, removed, from)
			moved++
		}
	}
	return moved
}

func TestConstShardFacts(t *testing.T) {
	f := place(t)(ConstShard(4))
	for key, want := range map[string]int{
		"b:3:meh": 3, "bl:2:meh": 2, "bla:1:meh": 1, "blah:0:meh": 0, "p:0002:x": 2,
		// Ch3, for want of a number below 4 between two colons:
		"blahmeh": 2, "blah:meh": 0, "blah::meh": 1, "blah:12c34:meh": 0, "blah:4:meh": 3,
	} {
		require.Equal(t, want, f(key), key)
	}
	ch3 := place(t)(Ch3(4))
	for _, key := range []string{"", ":", "::", "a:1", "a:-1:b", "a:+1:b", "a: 1:b", "a:18446744073709551617:b", "a:x:1:b"} {
		require.Equal(t, ch3(key), f(key), key)
	}
}

// The weights of the WeightedCh3 end-to-end test: nodes 0 and 3 have none, the last of the list is left out.
func TestWeightedCh3SurplusAndMissingWeights(t *testing.T) {
	f := place(t)(WeightedCh3(9, []float64{0, 1, 1, 0, .5, 1, .3, .5}))
	g := place(t)(WeightedCh3(9, []float64{0, 1, 1, 0, .5, 1, .3, .5, .5, 7, -1}))
	counts := count(f, 9, 10000, "")
	require.Equal(t, counts, count(g, 9, 10000, ""))
	require.Zero(t, counts[0])
	require.Zero(t, counts[3])
	require.InDelta(t, counts[7], counts[8], 150)
}

func TestShadowFractionFacts(t *testing.T) {
	var within []int
	for i := range 100 {
		if Fraction(fmt.Sprintf("f%d", i)) <= .1 {
			within = append(within, i)
		}
	}
	require.Equal(t, []int{5, 7, 13, 33, 43, 46, 58, 71, 83, 85, 89, 91, 93}, within)
	require.LessOrEqual(t, Fraction("good_key"), .5)
	require.Greater(t, Fraction("out_of_range_key_test"), .5)

	half := 0
	for i := range 10000 {
		f := Fraction(strconv.Itoa(i))
		require.True(t, f >= 0 && f < 1)
		if f <= .5 {
			half++
		}
	}
	require.InDelta(t, 5000, half, 100)
}
