package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func shown(v *view) (names []string) {
	for _, r := range v.rows() {
		names = append(names, r.name)
	}
	return names
}

func TestPressed(t *testing.T) {
	for in, want := range map[string][]string{
		"q":                    {"q"},
		"\x1b":                 {"esc"},
		"\x1b[A\x1b[B":         {"up", "down"},
		"\x1b[5~\x1b[6~":       {"page up", "page down"},
		"\x1bOHx":              {"home", "x"},
		"\x1b[1;5A":            nil, // ctrl-up means nothing here
		"\x1b[":                nil,
		"\x1bO":                nil,
		"\x03":                 {"ctrl-c"},
		"aü日\r\t\x7f":          {"a", "ü", "日", "enter", "tab", "backspace"},
		"\xff\x01":             nil,
		"\x1b\x1b":             {"esc", "esc"},
		"\x1b[200~x\x1b[201~y": {"x", "y"}, // a bracketed paste
	} {
		require.Equal(t, want, pressed([]byte(in)), "%q", in)
	}
}

func FuzzPressed(f *testing.F) {
	f.Add([]byte("\x1b[A/abc\r\x1b[99999;9"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v := newView(time.Second)
		v.update(reported())
		for _, key := range pressed(in) {
			v.press(key, 3)
		}
		require.LessOrEqual(t, len(v.render(noon, 80, 24).lines), 24)
	})
}

func TestSorting(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	require.Equal(t, "front-page", shown(v)[0])
	require.NoError(t, v.sortBy("hit"))
	require.Equal(t, `bad\x1b[31m\x00\xff`, shown(v)[0])
	require.Equal(t, "counter", shown(v)[5], "that it has no hit ratio does not make it the worst")
	v.press("r", 5)
	require.Equal(t, "front-page", shown(v)[0])
	require.Equal(t, "counter", shown(v)[5], "nor the best")
	v.press("r", 5)
	require.NoError(t, v.sortBy("key"))
	require.Equal(t, `bad\x1b[31m\x00\xff`, shown(v)[0])
	v.press("r", 5)
	require.Equal(t, "日本語のキー", shown(v)[0])
	require.ErrorContains(t, v.sortBy("home"), "not one of share, fleet, ops, bytes, hit, key")

	v = newView(time.Second)
	v.update(reported())
	for range 5 { // once around
		v.press("s", 5)
	}
	require.Equal(t, 0, v.column[keys])
}

func TestTheFilter(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	for _, key := range []string{"/", "q", "backspace", "u", "p", "backspace", "tab", "s", "e", "r"} {
		require.True(t, v.press(key, 5), "while typing q is a letter")
	}
	require.Equal(t, "user", v.filter)
	require.Len(t, shown(v), 1)
	v.press("enter", 5)
	require.False(t, v.typing)
	v.press("esc", 5)
	require.Len(t, shown(v), 6)
	v.press("/", 5)
	require.False(t, v.press("ctrl-c", 5))
}

func TestPause(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	v.press(" ", 5)
	later := reported()
	later.Keys = nil
	v.update(later)
	require.Len(t, shown(v), 6)
	v.press("p", 5)
	v.update(later)
	require.Empty(t, shown(v))
}

func TestScrollingStopsAtTheEnds(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	for _, step := range []struct {
		key  string
		want int
	}{
		{"up", 0}, {"down", 1}, {"page down", 2}, {"down", 2}, {"home", 0}, {"end", 2}, {"page up", 0}, {"G", 2}, {"g", 0},
	} {
		v.press(step.key, 4)
		require.Equal(t, step.want, v.top, step.key)
	}
}
