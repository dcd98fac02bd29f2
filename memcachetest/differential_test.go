package memcachetest

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/realnode"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the differential tests; 0 takes a new one")

// TestDifferential sends the same random commands to a real memcached and to a
// Server and wants the same bytes back.
func TestDifferential(t *testing.T) {
	flushes := []string{"flush_all", "flush_all 0", "flush_all noreply", "flush_all -1",
		"flush_all x", "flush_all 0 noreply"}
	rows := []struct {
		name    string
		args    []string
		opts    []Option
		flushes []string
	}{
		{"default", nil, nil, flushes},
		// without CAS a flush_all also covers the rest of its second
		{"without CAS", []string{"-C"}, []Option{WithoutCAS()}, nil},
		{"large items", []string{"-I", "2m"}, []Option{WithMaxItemSize(2 << 20)}, flushes},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			// memcached's background threads hold and remove items when they like
			args := append([]string{"-o", "no_lru_maintainer,no_lru_crawler"}, row.args...)
			real := dialTCP(t, realnode.Start(t, args...).Addr)
			server := NewServer(row.opts...)
			t.Cleanup(server.Close)
			compare(t, real, dialTCP(t, server.Addr()), row.flushes)
		})
	}
}

// TestTooLongKeyLosesTheQueue shows how many replies memcached has sent when a
// get with a too long key throws away the rest: it sends after 21 commands, and
// after each 20 more.
func TestTooLongKeyLosesTheQueue(t *testing.T) {
	real := dialTCP(t, realnode.Start(t).Addr)
	server := NewServer()
	t.Cleanup(server.Close)
	fake := dialTCP(t, server.Addr())
	for n := range 70 {
		batch := []byte(strings.Repeat("mg a k\r\n", n) + "get " + strings.Repeat("k", 251) + "\r\n" + lastCommands)
		require.Equal(t, exchange(real, batch), exchange(fake, batch), "after %d commands", n)
	}
}

// TestSettings: "stats settings" has memcached's lines in their order, but for
// the port also with the same values, whatever of the options both know.
func TestSettings(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		opts []Option
	}{
		"default": {nil, nil},
		"others": {
			[]string{"-m", "100", "-I", "2m", "-c", "77", "-M", "-C", "-X", "-o", "idle_timeout=5"},
			[]Option{WithMemoryLimit(100 << 20), WithMaxItemSize(2 << 20), WithMaxConns(77), WithoutEviction(), WithoutCAS(),
				WithoutDump(), WithIdleTimeout(5 * time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			real := realnode.Start(t, append([]string{"-t", "1"}, row.args...)...)
			server := NewServer(row.opts...)
			t.Cleanup(server.Close)
			require.Equal(t, settings(t, real.Addr), settings(t, server.Addr()))
		})
	}
}

// settings returns the answer to "stats settings" without the port.
func settings(t *testing.T, addr string) string {
	answer := exchange(dialTCP(t, addr), []byte("stats detail on\r\nstats settings\r\n"+lastCommands))
	return tcpPort.ReplaceAllString(answer, "tcpport #")
}

var tcpPort = regexp.MustCompile(`tcpport [1-9]\d*`)

func dialTCP(t *testing.T, addr string) net.Conn {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	return conn
}

func compare(t *testing.T, real, fake net.Conn, flushes []string) {
	const batches = 600
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), flushes: flushes}
	for i := range batches {
		batch := g.batch()
		want, got := exchange(real, batch), exchange(fake, batch)
		if want != got {
			t.Fatalf("-seed=%d, batch %d\nsent      %s\nmemcached %s\nserver    %s",
				seed, i, abbreviated(batch), abbreviated([]byte(want)), abbreviated([]byte(got)))
		}
	}
}

func abbreviated(b []byte) string {
	return digitRun.ReplaceAllString(fmt.Sprintf("%q", b), "777...")
}

var digitRun = regexp.MustCompile(`7{100,}`)

// ticks are the parts of a reply that count seconds: the two servers' clocks do
// not tick together.
var ticks = regexp.MustCompile(` (t|l|la=|exp=-?)\d+`)

// Each batch ends with these commands, whose replies come from nothing else.
const (
	lastCommands = "mg nothing Oend\r\nmn\r\n"
	lastReply    = "EN Oend\r\nMN\r\n"
)

// exchange sends a batch and returns all replies to it, and the error if the
// connection ends instead.
func exchange(conn net.Conn, batch []byte) string {
	if _, err := conn.Write(batch); err != nil {
		return err.Error()
	}
	var got bytes.Buffer
	buf := make([]byte, 64<<10)
	for !bytes.HasSuffix(got.Bytes(), []byte(lastReply)) {
		n, err := conn.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			return got.String() + err.Error()
		}
	}
	return ticks.ReplaceAllString(got.String(), " $1#")
}

// generator makes random commands on few keys, most of them valid.
type generator struct {
	*rand.Rand
	flushes []string // forms of flush_all to use
}

// batch is one to eighteen commands and lastCommands, in one piece that memcached
// reads at once. Now and then it is one command with a large value.
func (g *generator) batch() []byte {
	if g.IntN(60) == 0 {
		return []byte(g.large() + lastCommands)
	}
	var b strings.Builder
	for range 1 + g.IntN(18) {
		b.WriteString(g.command())
	}
	b.WriteString(lastCommands)
	return []byte(b.String())
}

// large stores a value around the limits of size, changes it and removes it, as
// long replies would take the test's time.
func (g *generator) large() string {
	size := []int{524000, 524288, 600000, 1048400, 1048500, 1048577, 1500000, 2097100}[g.IntN(8)]
	value := strings.Repeat("7", size)
	key := g.pick("a", "b", "foo")
	line := fmt.Sprintf("%s %s 5 0 %d", g.pick("set", "add", "replace", "append", "prepend"), key, size)
	if g.IntN(2) == 0 {
		line = fmt.Sprintf("ms %s %d %s", key, size, g.pick("ME", "MR", "MA", "MP", "T0", "C7", "q k Oabc"))
	}
	after := fmt.Sprintf("me %s\r\nincr %s 1\r\nappend %s 0 0 500\r\n%s\r\nmg %s s\r\ndelete %s\r\n",
		key, key, key, value[:500], key, key)
	return line + "\r\n" + value + "\r\n" + after
}

func (g *generator) command() string {
	kinds := []func() string{
		g.store, g.store, g.get, g.get, g.change, g.change, g.metaSet, g.metaSet, g.metaSet,
		g.metaGet, g.metaGet, g.metaGet, g.metaDelete, g.metaArithmetic, g.metaArithmetic, g.debug, g.other,
	}
	return kinds[g.IntN(len(kinds))]()
}

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

// maybe returns one of the words in one of n cases.
func (g *generator) maybe(n int, words ...string) string {
	if g.IntN(n) > 0 {
		return ""
	}
	return g.pick(words...)
}

func (g *generator) key() string {
	if g.IntN(80) == 0 {
		return strings.Repeat("k", 250+g.IntN(2))
	}
	return g.pick("a", "b", "c", "foo", "n:1", "n:2", "\x01\x7f", "é")
}

// binaryKey names the same keys as key in base64, good and bad.
func (g *generator) binaryKey() string {
	return g.pick("Zm9v", "YQ==", "YWJj", "AAECAw==", "bjox", "====", "Zm9", "Z m", "Zm9v!", "Y=Q=", "YQ==YQ==")
}

// value draws no number of 2^63 and more: after such a one memcached looks for
// a minus sign in the memory behind the value.
func (g *generator) value() string {
	return g.pick("", "1", "9", "10", "99", "0", "9223372036854775000", "18446744073709551616", " 7", "7 ", "-1",
		"+5", "5x", "bar", "12 abc", "a\r\nb", "END", "\x00", "7\x00", strings.Repeat("v", g.IntN(300)))
}

func (g *generator) exptime() string {
	return g.pick("0", "0", "0", "100", "1000", "2592000", "2592001", "-1", "2147483648", "4294967396", "x", "")
}

func (g *generator) cas() string {
	if g.IntN(12) == 0 {
		return g.pick("0", "-1", "x", "18446744073709551615", "")
	}
	return fmt.Sprint(g.IntN(200))
}

// block is a length and a data block, of which one in forty does not match.
func (g *generator) block(length func(int) string) (string, string) {
	v := g.value()
	n := len(v)
	if g.IntN(40) == 0 && n > 0 {
		n--
	}
	return length(n), v + "\r\n"
}

func (g *generator) store() string {
	n, block := g.block(func(n int) string { return fmt.Sprint(n) })
	flags := g.pick("0", "0", "5", "4294967295", "4294967301", "-1", "x")
	if g.IntN(4) > 0 {
		flags = "0"
	}
	exptime := "0"
	if g.IntN(3) == 0 {
		exptime = g.exptime()
	}
	name := g.pick("set", "set", "add", "replace", "append", "prepend", "cas")
	line := fmt.Sprintf("%s %s %s %s %s", name, g.key(), flags, exptime, n)
	if name == "cas" {
		line += " " + g.cas()
	}
	return line + g.maybe(8, " noreply", " NOREPLY", " x", " a b") + "\r\n" + block
}

func (g *generator) get() string {
	name := g.pick("get", "get", "gets", "gat", "gats", "bget")
	if name == "gat" || name == "gats" {
		name += " " + g.exptime()
	}
	for range g.IntN(4) {
		name += " " + g.key()
	}
	if g.IntN(30) == 0 {
		name += strings.Repeat(" a b", 1+g.IntN(20)) + g.maybe(2, " ", "  ")
	}
	return name + "\r\n"
}

func (g *generator) change() string {
	noreply := g.maybe(6, " noreply", " x", " 0", " 0 noreply")
	switch g.IntN(4) {
	case 0:
		return "delete " + g.key() + noreply + "\r\n"
	case 1:
		return "touch " + g.key() + " " + g.exptime() + noreply + "\r\n"
	}
	delta := g.pick("1", "1", "5", "9", "100", "-1", "x", "")
	return g.pick("incr ", "decr ") + g.key() + " " + delta + noreply + "\r\n"
}

// flags draws up to n meta flags without repeating, which is an error of its
// own and drawn seldom.
func (g *generator) flags(n int, from ...string) string {
	var line string
	for _, i := range g.Perm(len(from))[:g.IntN(min(n, len(from))+1)] {
		line += " " + from[i]
	}
	return line + g.maybe(50, " v v", " !", " k k", " O"+strings.Repeat("o", 30+g.IntN(3)), " Pp Ll", " xx")
}

// metaKey returns a key and the flag that goes with it.
func (g *generator) metaKey() (key, flag string) {
	if g.IntN(5) == 0 {
		return g.binaryKey(), " b"
	}
	return g.key(), ""
}

func (g *generator) metaGet() string {
	key, b := g.metaKey()
	return "mg " + key + b + g.flags(7, "v", "k", "c", "f", "s", "h", "t", "l", "q", "u", "Oabc", "O",
		"N"+g.exptime(), "T"+g.exptime(), "R"+g.pick("30", "500", "5000", "x", "-1", "0")) + "\r\n"
}

func (g *generator) metaSet() string {
	key, b := g.metaKey()
	n, block := g.block(func(n int) string { return fmt.Sprint(n) })
	return "ms " + key + " " + n + b + g.flags(5, "k", "c", "q", "I", "v", "Oxyz", "F"+g.pick("5", "0", "x"),
		"T"+g.exptime(), "C"+g.cas(), "M"+g.pick("S", "E", "A", "P", "R", "s", "set", "")) + "\r\n" + block
}

func (g *generator) metaDelete() string {
	key, b := g.metaKey()
	return "md " + key + b + g.flags(4, "k", "q", "I", "Oxyz", "T"+g.exptime(), "C"+g.cas()) + "\r\n"
}

func (g *generator) metaArithmetic() string {
	key, b := g.metaKey()
	return "ma " + key + b + g.flags(6, "k", "q", "v", "t", "c", "Oxyz", "N"+g.exptime(), "T"+g.exptime(),
		"J"+g.pick("0", "7", "x", "99"), "D"+g.pick("1", "10", "-1"),
		"M"+g.pick("I", "D", "+", "-", "x")) + "\r\n"
}

func (g *generator) debug() string {
	if g.IntN(3) == 0 {
		return "me " + g.binaryKey() + " b\r\n"
	}
	return "me " + g.key() + "\r\n"
}

func (g *generator) other() string {
	if len(g.flushes) > 0 && g.IntN(8) == 0 {
		return g.pick(g.flushes...) + "\r\n"
	}
	return g.pick("mn", "mn x", "bogus", "bogus noreply", "", "x", "verbosity 1", "verbosity",
		"version", "mx a", "mg", "ms", "ms a", "ms a 1 a b c d e f g h i j k l m n o p q r s t", "md", "ma", "me",
		"set a", "get", "gat", "delete", "incr a", "touch a", "cas a 0 0 1", "stats bogus", "stats bogus x", "stats Items", "stats detail",
		"slabs automove x", "slabs reassign 1 1", "lru x y", "lru tune 1 2 3 4", "lru_crawler x", "shutdown",
		"cache_memlimit 1", "cache_memlimit x", "a\tb", "get a\x00b", "stats cachedump 1", "stats extstore",
		"stats noreply", "watch x") + "\r\n"
}
