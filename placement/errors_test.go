package placement

import (
	"math"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func TestBadListsAreRefused(t *testing.T) {
	two := []Server{{Host: "a"}, {Host: "b"}}
	with := func(s Server) []Server { return append(two[:2:2], s) }
	many := make([]Server, maxServers+1)
	huge := weigh(two, math.MaxInt32, math.MaxInt32)
	fail := func(_ any, err error) error { return err }
	for name, c := range map[string]struct{ got, want error }{
		"CRC32 of none":                {fail(CRC32(0)), ErrSize},
		"McrouterCRC32 of less":        {fail(McrouterCRC32(-1)), ErrSize},
		"Modulo of none":               {fail(Modulo(0, MD5)), ErrSize},
		"Modulo without hash":          {fail(Modulo(1, nil)), ErrHash},
		"Jump of none":                 {fail(Jump(0, xxhash.Sum64String)), ErrSize},
		"Jump without hash":            {fail(Jump(1, nil)), ErrHash},
		"Ch3 of none":                  {fail(Ch3(0)), ErrSize},
		"Ch3 of too many":              {fail(Ch3(1<<23 + 1)), ErrSize},
		"ConstShard of none":           {fail(ConstShard(0)), ErrSize},
		"WeightedCh3 of none":          {fail(WeightedCh3(0, nil)), ErrSize},
		"WeightedCh3 above one":        {fail(WeightedCh3(2, []float64{1, 1.1})), ErrWeight},
		"WeightedCh3 below zero":       {fail(WeightedCh3(2, []float64{-.1})), ErrWeight},
		"WeightedCh3 of no number":     {fail(WeightedCh3(2, []float64{math.NaN()})), ErrWeight},
		"Ketama of none":               {fail(Ketama(nil, MD5)), ErrSize},
		"Ketama of too many":           {fail(Ketama(many, MD5)), ErrSize},
		"Ketama without hash":          {fail(Ketama(two, nil)), ErrHash},
		"Ketama of nobody":             {fail(Ketama(with(Server{}), MD5)), ErrServer},
		"Ketama of a twin":             {fail(Ketama(with(Server{Host: "a", Port: 11211}), MD5)), ErrServer},
		"Ketama of a namesake":         {fail(Ketama(with(Server{Host: "c", Name: "a"}), MD5)), ErrServer},
		"Ketama with a port too high":  {fail(Ketama(with(Server{Host: "c", Port: 1 << 16}), MD5)), ErrServer},
		"Ketama with a port below 0":   {fail(Ketama(with(Server{Host: "c", Port: -1}), MD5)), ErrServer},
		"Ketama with a weight below 0": {fail(Ketama(with(Server{Host: "c", Weight: -1}), MD5)), ErrWeight},
		"KetamaUnweighted of none":     {fail(KetamaUnweighted(nil, MD5)), ErrSize},
		"KetamaUnweighted, a weight":   {fail(KetamaUnweighted(with(Server{Host: "c", Weight: 2}), MD5)), ErrWeight},
		"KetamaUnweighted, no hash":    {fail(KetamaUnweighted(two, nil)), ErrHash},
		"TwemproxyModula of none":      {fail(TwemproxyModula(nil, MD5)), ErrSize},
		"TwemproxyModula, no hash":     {fail(TwemproxyModula(two, nil)), ErrHash},
		"TwemproxyModula, heavy":       {fail(TwemproxyModula(append(huge, Server{Host: "c", Weight: 3}), MD5)), ErrWeight},
		"Ring of no points":            {fail(Ring(nil, MD5)), ErrSize},
		"Ring without hash":            {fail(Ring([]Point{{}}, nil)), ErrHash},
		"Ring of a node below zero":    {fail(Ring([]Point{{Node: -1}}, MD5)), ErrSize},
		"Rendezvous of none":           {fail(NewRendezvous(nil)), ErrSize},
		"Rendezvous of a twin":         {fail(NewRendezvous([]string{"a", "b", "a"})), ErrServer},
		"Rendezvous of nobody":         {fail(NewRendezvous([]string{"a", ""})), ErrServer},
		"weighted, a weight missing":   {fail(NewWeightedRendezvous([]string{"a", "b"}, []float64{1})), ErrSize},
		"weighted, a weight too many":  {fail(NewWeightedRendezvous([]string{"a"}, ones(2))), ErrSize},
		"weighted, a weight below 0":   {fail(NewWeightedRendezvous([]string{"a"}, []float64{-1})), ErrWeight},
		"weighted, no end of weight":   {fail(NewWeightedRendezvous([]string{"a"}, []float64{math.Inf(1)})), ErrWeight},
		"weighted, no number":          {fail(NewWeightedRendezvous([]string{"a"}, []float64{math.NaN()})), ErrWeight},
		"weighted, no weight at all":   {fail(NewWeightedRendezvous([]string{"a", "b"}, []float64{0, 0})), ErrWeight},
		"weighted of none":             {fail(NewWeightedRendezvous(nil, nil)), ErrSize},
	} {
		require.ErrorIs(t, c.got, c.want, name)
		require.True(t, strings.HasPrefix(c.got.Error(), "placement: "), "%s: %v", name, c.got)
	}
}

func TestParseServer(t *testing.T) {
	for address, want := range map[string]Server{
		"a":                     {Host: "a"},
		"cache-1.example:11212": {Host: "cache-1.example", Port: 11212},
		"10.0.0.1:11211":        {Host: "10.0.0.1", Port: 11211},
		"[::1]:11212":           {Host: "::1", Port: 11212},
		"/run/a:b.sock":         {Host: "/run/a:b.sock"},
	} {
		got, err := ParseServer(address)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, address := range []string{"", ":1", "a:", "a:b", "a:0", "a:65536", "a:-1", "::1", "[::1]", "[a", "a:1:2"} {
		_, err := ParseServer(address)
		require.ErrorIs(t, err, ErrServer, address)
	}
}

func TestNamesOfServers(t *testing.T) {
	for _, c := range []struct {
		server           Server
		hostPort, ketama string
	}{
		{Server{Host: "a"}, "a:11211", "a"},
		{Server{Host: "a", Port: 11211}, "a:11211", "a"},
		{Server{Host: "a", Port: 1}, "a:1", "a:1"},
		{Server{Host: "::1", Port: 1}, "::1:1", "::1:1"},
		{Server{Host: "/a"}, "/a:0", "/a:0"},
		{Server{Host: "a", Port: 1, Name: "n"}, "a:1", "n"},
	} {
		require.Equal(t, c.hostPort, c.server.HostPort())
		require.Equal(t, c.ketama, c.server.KetamaName())
	}
}

func TestPartsOfKeys(t *testing.T) {
	for key, want := range map[string]string{"": "", "abc": "abc", "a|#|b": "a", "a|#|b|#|c": "a", "|#|b": "", "a|#b": "a|#b"} {
		require.Equal(t, want, BeforeHashStop(key), key)
	}
	for key, want := range map[string]string{
		"": "", "abc": "abc", "a{b}c": "b", "{b}": "b", "a{b}{c}": "b", "a{b": "a{b", "a}b{c}": "c", "{": "{", "a{": "a{",
		"a{}b{c}": "a{}b{c}", // the first pair decides, also in Redis Cluster
		"{{b}":    "{b",
	} {
		require.Equal(t, want, InsideTag(key, '{', '}'), key)
	}
	require.Equal(t, "b", InsideTag("a$b$c", '$', '$'))
	for key, want := range map[string]string{"a:1:b": "1", "a:x1:b": "x1", ":1:": "1", "a:1:2:3": "1", "a:007:b": "007"} {
		shard, ok := ShardID(key)
		require.True(t, ok, key)
		require.Equal(t, want, shard, key)
	}
	for _, key := range []string{"", "a", "a:1", "a::b", "a:1x:b", ":", "::"} {
		_, ok := ShardID(key)
		require.False(t, ok, key)
	}
}

func TestSaltedWithoutSalt(t *testing.T) {
	f := place(t)(Ch3(100))
	require.Equal(t, 97, Salted(f, "")("sample"))
	require.Equal(t, f("samplepepper"), Salted(f, "pepper")("sample"))
	require.Nil(t, Salted(nil, "pepper"))
}
