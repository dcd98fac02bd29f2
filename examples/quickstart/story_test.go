package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// claims are what the story must have shown, in this order.
var claims = []string{
	`ok 300 keys written, 3000 reads: all served by node 1`,
	`ok one Set, and every node has the value`,
	`>> node 1 is killed`,
	`ok \d+ reads, every one with its value: 0 failed, 0 missed`,
	`ok node [23], the neighbour of node 1, serves its reads`,
	`ok writes go on: \d+ done, 0 failed; what node 1 has missed is remembered,`,
	`>> node 1 is started`,
	`ok all reads are served by node 1 again, which has all 300 keys`,
	`ok \d+ reads: 0 failed; \d+ missed`,
	`ok its home sends more than half of all`,
	`>> "front-page" takes \d\d % of the traffic; remedy: keep`,
	`ok every page was read as it is at its home; the busiest node sent \d+ KiB`,
	`nobody had to do anything`,
	`Everything above was checked while it happened\.`,
}

func TestStory(t *testing.T) {
	var out bytes.Buffer
	err := story(t.Context(), &screen{out: &out})
	t.Log("\n" + out.String())
	require.NoError(t, err)
	require.Regexp(t, `(?s)`+strings.Join(claims, `.*`), out.String())
	requirePlain(t, out.String())
}

// requirePlain checks that text can be read in a pipe and in 80 columns.
func requirePlain(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, text, "\x1b")
	require.True(t, utf8.ValidString(text))
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
	}
}

// A story whose claims do not hold must end with an error, or its exit code would mean nothing.
func TestBrokenClaimsAreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(nodes)
		opts  []memcache.Option
		act   func(*stage) func(context.Context) error
		want  string
	}{
		"reads do not stay local": {
			act:  func(s *stage) func(context.Context) error { return s.readsStayLocal },
			want: "3000 reads were served as",
		},
		"a node loses what it gets": {
			opts:  []memcache.Option{memcache.WithReplicated(), memcache.WithWritePolicy(memcache.RequireAll)},
			spoil: func(ns nodes) { ns[2].Inject(memcachetest.Refuse()) },
			act:   func(s *stage) func(context.Context) error { return s.writesReachAll },
			want:  "acknowledged by 2 of 3",
		},
		"nothing is cached when the node dies": {
			opts: []memcache.Option{memcache.WithReplicated()},
			act:  func(s *stage) func(context.Context) error { return s.localNodeDies },
			want: "missed",
		},
		"a node cannot be asked": {
			spoil: func(ns nodes) { ns[1].Kill() },
			act:   func(s *stage) func(context.Context) error { return s.hotKeyIsRelieved },
			want:  "node is down",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, c.opts)
			if c.spoil != nil {
				c.spoil(s.nodes)
			}
			require.ErrorContains(t, c.act(s)(t.Context()), c.want)
		})
	}
}

// newStage has three nodes and a client over them, sharded unless opts say otherwise.
func newStage(t *testing.T, opts []memcache.Option) *stage {
	ns := startNodes(3)
	t.Cleanup(ns.close)
	opts = append(opts, memcache.WithServers(ns.addrs()...), memcache.WithTimeout(patience))
	client, err := memcache.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return &stage{screen: &screen{out: new(bytes.Buffer)}, nodes: ns, client: client}
}

func TestStoryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, story(ctx, &screen{out: new(bytes.Buffer)}), context.Canceled)
}

func TestMeterCountsARestartedNodeFromZero(t *testing.T) {
	s := newStage(t, nil)
	for range 5 {
		_, err := askAlone(t.Context(), s.nodes[0].Addr(), "k")
		require.ErrorIs(t, err, memcache.ErrCacheMiss)
	}
	m := &meter{nodes: s.nodes, last: make([]int, 3)}
	require.Equal(t, []int{5, 0, 0}, m.lap())
	s.nodes[0].Restart()
	_, err := askAlone(t.Context(), s.nodes[0].Addr(), "k")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
	require.Equal(t, []int{1, 0, 0}, m.lap())
}

func TestBarLength(t *testing.T) {
	s := &screen{}
	for _, c := range []struct{ n, full, want int }{
		{0, 100, 0}, {1, 1000, 1}, {50, 100, 6}, {100, 100, 12}, {150, 100, 12},
	} {
		bar := s.bar(0, c.n, c.full, 12)
		require.Equal(t, c.want, strings.Count(bar, "█"), "%d of %d", c.n, c.full)
		require.Equal(t, 12, utf8.RuneCountInString(bar))
	}
}

func TestColoursOnlyOnATerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer file.Close()
	require.False(t, newScreen(file).colours)

	painted := (&screen{colours: true}).paint(green, "ok")
	require.Regexp(t, regexp.MustCompile("^\x1b\\[32mok\x1b\\[0m$"), painted)
	require.Equal(t, "ok", (&screen{}).paint(green, "ok"))
}
