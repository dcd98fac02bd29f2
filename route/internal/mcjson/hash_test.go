package mcjson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hashText is n printable bytes.
func hashText(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteByte(byte('!' + i%90))
	}
	return text.String()
}

// The values are those of folly's SpookyHashV2::Hash64 with seed 0; the one of "abcd" is in mcrouter's tests.
func TestSpookyShort(t *testing.T) {
	require.Equal(t, int64(6660178300034425268), int64(spookyShort("abcd")))
	for length, want := range map[int]int64{
		0: 2533000996631939353, 1: -7898986798473985642, 3: 4514378019517754646, 4: -1185821920286300354,
		7: -5269120288150842814, 8: -6705879076305712035, 11: 3042552418019524210, 12: -6319744551817901146,
		15: 5801583795603836338, 16: -7981165919757838675, 17: -6560469245723312384, 31: -663875406365660602,
		32: -7589211593154684693, 47: -995393994203946472, 48: -6505866352753662795, 100: -7218359613899328618,
		191: 6114652805954717021,
	} {
		require.Equal(t, want, int64(spookyShort(hashText(length))), "length %d", length)
	}
	sum := uint64(0)
	for length := range maxSpookyShort + 1 {
		sum = sum*31 + spookyShort(hashText(length))
	}
	require.Equal(t, uint64(15797050219557455850), sum, "all lengths together")
}

func TestHash(t *testing.T) {
	testRows(t, []row{
		{"string", "", `"@hash(abcd)"`, `6660178300034425268`},
		{"int", "", `"@hash(@int(2313))"`, `-4996987850411076878`},
	})
	_, err := expandText(`{"a": "@hash(`+strings.Repeat("x", 192)+`)"}`, nil)
	require.EqualError(t, err, "f:1:7: hash: strings of more than 191 bytes are not supported, this one has 192")
	require.True(t, errors.Is(err, errors.ErrUnsupported))
}

// The picks are those of mcrouter's RendezvousHash for keys 0, 1000003, 2000006 ...
func TestWeightedHashPicksAsMcrouter(t *testing.T) {
	dictionary := mustParse(t, `{"east": 0.2, "west": 0.5, "north": 1, "süd": 0.3, "zero": 0}`)
	weights, problem := normalWeights(dictionary)
	require.Empty(t, problem)
	var picks strings.Builder
	for key := range 40 {
		picks.WriteString(strconv.Itoa(rendezvous(dictionary.Members, weights, uint64(key)*1000003)))
	}
	require.Equal(t, "2222231222113123312122322323223311223122", picks.String())

	testRows(t, []row{
		{"one", "", `{"type": "weightedHash", "dictionary": {"a": 0.5}, "key": 2015}`, `"a"`},
		{"weight 0", "", `{"type": "weightedHash", "dictionary": {"a": 0, "b": 1}, "key": "hello world"}`, `"b"`},
		{"key of type int", "", `{"type": "define", "vars": {"w": {"a": -0.001, "b": 1, "c": 0.5}}, "result": "@weightedHash(%w%, @int(12345))"}`, `"b"`},
	})
}

// The orders are those of std::shuffle with std::minstd_rand in GNU's C++ library 12.
func TestShuffleSeeded(t *testing.T) {
	for _, row := range []struct {
		count int
		seed  uint32
		want  string
	}{
		{0, 1, "[]"},
		{1, 1, "[0]"},
		{2, 11111111, "[0 1]"},
		{2, 123, "[1 0]"},
		{5, 0, "[3 4 1 2 0]"},
		{7, 1, "[3 4 1 5 6 2 0]"},
		{10, 42, "[1 7 3 6 2 8 0 5 9 4]"},
		{10, 2147483647, "[5 7 1 4 0 2 6 9 8 3]"},
		{13, 4294967295, "[3 8 11 12 6 2 0 10 4 9 7 1 5]"},
	} {
		require.Equal(t, row.want, fmt.Sprint(shuffled(row.count, row.seed)), "%d elements, seed %d", row.count, row.seed)
	}
	for _, row := range []struct {
		count int
		seed  uint32
		want  uint64
	}{
		{46340, 7, 3991147864438003455},
		{46341, 7, 7624978516076597637}, // from here on one draw for each element
		{50001, 99, 142909303896858391},
	} {
		sum := uint64(14695981039346656037)
		for _, i := range shuffled(row.count, row.seed) {
			sum = sum*31 + uint64(i)
		}
		require.Equal(t, row.want, sum, "%d elements, seed %d", row.count, row.seed)
	}
}

func shuffled(count int, seed uint32) []int64 {
	items := make([]*Value, count)
	for i := range items {
		items[i] = &Value{Kind: Int, Int: int64(i)}
	}
	shuffleSeeded(items, seed)
	order := make([]int64, count)
	for i := range items {
		order[i] = items[i].Int
	}
	return order
}
