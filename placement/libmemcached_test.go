package placement

import (
	"bytes"
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var record = flag.Bool("record", false, "write the answers of the installed libmemcached to testdata")

const recorded = "testdata/libmemcached.json" // answers of libmemcached 1.1.4

// Numbers of memcached_behavior_t and memcached_hash_t (libmemcached-1.0/types/behavior.h, server_distribution.h and hash.h).
const (
	behaviorHash           = 2
	behaviorKetama         = 3
	behaviorDistribution   = 9
	behaviorKetamaWeighted = 16

	distributionConsistent = 1

	hashMD5     = 1
	hashFNV1a64 = 4
)

// libmemcachedCase is one client's configuration, and the Func that must agree with it.
type libmemcachedCase struct {
	Name      string
	Behaviors [][2]int
	Servers   []Server
	Keys      []string // hexadecimal
	ours      Func
}

func libmemcachedCases(t testing.TB) []libmemcachedCase {
	named := []Server{
		{Host: "10.0.0.1", Port: 11211}, {Host: "10.0.0.2", Port: 11212}, {Host: "cache-3.example", Port: 11211},
		{Host: "::1", Port: 11213}, {Host: "/run/memcached.sock"}, {Host: "localhost", Port: 1},
	}
	weighted := weigh(named, 3, 1, 7, 2, 1, 1)
	rare := weigh(named, 1000, 1, 1, 100, 30, 0)
	many := randomServers(100)
	p := place(t)
	cases := []libmemcachedCase{
		{Name: "default", Servers: named, ours: p(Modulo(len(named), OneAtATime))},
		{Name: "MD5", Behaviors: [][2]int{{behaviorHash, hashMD5}}, Servers: named, ours: p(Modulo(len(named), MD5))},
		{Name: "KETAMA", Behaviors: [][2]int{{behaviorKetama, 1}}, Servers: named, ours: p(KetamaUnweighted(named, OneAtATime))},
		{Name: "KETAMA, MD5", Behaviors: [][2]int{{behaviorKetama, 1}, {behaviorHash, hashMD5}}, Servers: named, ours: p(KetamaUnweighted(named, MD5))},
		{Name: "KETAMA, FNV1A_64", Behaviors: [][2]int{{behaviorKetama, 1}, {behaviorHash, hashFNV1a64}}, Servers: named, ours: p(KetamaUnweighted(named, FNV1a64))},
		{Name: "CONSISTENT", Behaviors: [][2]int{{behaviorDistribution, distributionConsistent}}, Servers: named, ours: p(KetamaUnweighted(named, OneAtATime))},
		{Name: "KETAMA, weights", Behaviors: [][2]int{{behaviorKetama, 1}}, Servers: weighted, ours: p(Ketama(weighted, OneAtATime))},
	}
	for name, servers := range map[string][]Server{"equal": named, "unequal": weighted, "one above all": rare, "of a hundred": many, "of one": named[:1]} {
		cases = append(cases, libmemcachedCase{
			Name:      "KETAMA_WEIGHTED, weights " + name,
			Behaviors: [][2]int{{behaviorKetamaWeighted, 1}},
			Servers:   servers,
			ours:      p(Ketama(servers, MD5)),
		})
	}
	return cases
}

func weigh(servers []Server, weights ...int) []Server {
	list := make([]Server, len(servers))
	for i, s := range servers {
		s.Weight = weights[i]
		list[i] = s
	}
	return list
}

func randomServers(n int) []Server {
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]Server, n)
	for i := range list {
		list[i] = Server{Host: fmt.Sprintf("mc-%d", i), Port: 11211 + i%2, Weight: 1 + random.IntN(50)}
	}
	return list
}

// someKeys are as clients have them, and as they should not: bytes above 0x7f, spaces, and 250 bytes.
func someKeys(n int) []string {
	random := rand.New(rand.NewPCG(3, 4))
	keys := make([]string, n)
	for i := range keys {
		switch i % 4 {
		case 0:
			keys[i] = fmt.Sprintf("user:%d:profile", random.IntN(1e6))
		case 1:
			keys[i] = fmt.Sprintf("ключ %d €", i)
		case 2:
			keys[i] = strings.Repeat("k", i%250) + string([]byte{byte(i)})
		default:
			raw := make([]byte, 1+random.IntN(20))
			for j := range raw {
				raw[j] = byte(random.Uint32())
			}
			keys[i] = string(raw)
		}
	}
	return keys
}

func TestAgreesWithRecordedLibmemcached(t *testing.T) {
	file, err := os.ReadFile(recorded)
	require.NoError(t, err)
	var answers map[string][]int
	require.NoError(t, json.Unmarshal(file, &answers))
	cases := libmemcachedCases(t)
	require.Len(t, answers, len(cases))
	for _, c := range cases {
		want := answers[c.Name]
		require.NotEmpty(t, want, c.Name)
		requireAgreement(t, c, someKeys(len(want)), want)
	}
}

func TestAgreesWithLibmemcached(t *testing.T) {
	need(t, "python3", "python3")
	keys := someKeys(2000)
	cases := libmemcachedCases(t)
	for i := range cases {
		for _, key := range keys {
			cases[i].Keys = append(cases[i].Keys, hex.EncodeToString([]byte(key)))
		}
	}
	answers := askLibmemcached(t, cases)
	require.Len(t, answers, len(cases))
	for i, c := range cases {
		requireAgreement(t, c, keys, answers[i])
	}
	if *record {
		writeRecord(t, cases, answers)
	}
}

// Go's FIPS 140-only mode has no MD5 for cryptography; placement is none.
func TestAgreesInFIPSMode(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("this is the process that the test starts")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAgreesWithRecordedLibmemcached$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	require.Contains(t, string(output), "PASS")
}

func requireAgreement(t *testing.T, c libmemcachedCase, keys []string, want []int) {
	t.Helper()
	require.Len(t, want, len(keys))
	for i, key := range keys {
		require.Equal(t, want[i], c.ours(key), "%s: %q", c.Name, key)
	}
}

func askLibmemcached(t *testing.T, cases []libmemcachedCase) (answers [][]int) {
	t.Helper()
	input, err := json.Marshal(cases)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/libmemcached.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	output, err := cmd.Output()
	if strings.Contains(stderr.String(), "cannot open shared object") {
		missing(t, "libmemcached is not installed (Debian: apt-get install libmemcached11)")
	}
	require.NoError(t, err, stderr.String())
	require.NoError(t, json.Unmarshal(output, &answers))
	return answers
}

func writeRecord(t *testing.T, cases []libmemcachedCase, answers [][]int) {
	const keys = 200
	short := make(map[string][]int)
	for i, c := range cases {
		short[c.Name] = answers[i][:keys]
	}
	output, err := json.Marshal(short)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(recorded, append(output, '\n'), 0o644))
}
