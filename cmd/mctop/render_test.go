package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func part(v float64) *float64 { return &v }

// reported is what a client would say: everything that a table has to cope with.
func reported() hotkey.Report {
	return hotkey.Report{
		Time:            noon,
		Source:          "web-1",
		OpsPerSecond:    81_234,
		BytesPerSecond:  123_456_789,
		MissesPerSecond: 1_204,
		Keys: []hotkey.ReportKey{
			{Key: "front-page", ID: "1", OpsPerSecond: 40_617, BytesPerSecond: 99_900_000, Share: 0.5, HitRatio: part(1),
				Hot: noon, Home: "10.0.0.7:11211", Remedy: "spread 3"},
			{Key: "user:1234567890:profile:with:a:key:that:is:longer:than:most:screens:are:wide:and:goes:on:and:on:and:on", ID: "2",
				OpsPerSecond: 999.6, BytesPerSecond: 1e6, Share: 0.0999, HitRatio: part(0.9999), Hot: noon,
				Home: "cache-17.eu-west.example.com:11211", Remedy: "keep"},
			{Key: "counter", ID: "3", OpsPerSecond: 512, BytesPerSecond: 51_200, Share: 0.01, Home: "[2001:db8::7]:11211"},
			{Key: "日本語のキー", ID: "4", OpsPerSecond: 9.999, BytesPerSecond: 512, Share: 0.001, HitRatio: part(0.5), Home: "10.0.0.8:11211"},
			{Key: "bad\x1b[31m\x00\xff", ID: "5", OpsPerSecond: 0.5, BytesPerSecond: 0, Share: 0.0001, HitRatio: part(0)},
			{ID: "0123456789abcdef", OpsPerSecond: 3, BytesPerSecond: 300, HitRatio: part(0.25), Home: "10.0.0.7:11211"},
		},
		Missed: []hotkey.ReportMissed{
			{Key: "session.uesr_id", ID: "6", MissesPerSecond: 1_000, HitRatio: part(0), Home: "10.0.0.7:11211"},
			{Key: "user:17", ID: "7", MissesPerSecond: 23.4},
		},
		Families: []hotkey.ReportMissed{{Template: "user:#:x", ID: "8", MissesPerSecond: 204, HitRatio: part(0.7)}},
	}
}

func screenOf(t *testing.T, v *view, wide, high int) string {
	t.Helper()
	f := v.render(noon.Add(time.Second), wide, high)
	require.Len(t, f.lines, high)
	for _, line := range f.lines {
		require.LessOrEqual(t, width(line), wide, line)
	}
	return strings.Join(f.lines, "\n") + "\n"
}

func TestScreens(t *testing.T) {
	for _, tt := range []struct {
		name       string
		wide, high int
		change     func(*view)
	}{
		{"keys-80", 80, 14, func(*view) {}},
		{"keys-120", 120, 14, func(*view) {}},
		{"keys-40", 40, 14, func(*view) {}},
		{"missed-80", 80, 10, func(v *view) { v.press("tab", 5) }},
		{"missed-120", 120, 10, func(v *view) { v.press("2", 5) }},
		{"families-80", 80, 8, func(v *view) { v.press("3", 5) }},
		{"filter-80", 80, 10, func(v *view) {
			for _, key := range []string{"/", "u", "s", "x", "backspace", "e", "r", "enter"} {
				v.press(key, 5)
			}
		}},
		{"typing-80", 80, 10, func(v *view) { v.press("/", 5); v.press("z", 5) }},
		{"paused-80", 80, 10, func(v *view) { v.press(" ", 5); v.update(hotkey.Report{}) }},
		{"help-80", 80, 10, func(v *view) { v.press("?", 5) }},
		{"sorted-80", 80, 14, func(v *view) { v.press("s", 5); v.press("s", 5); v.press("s", 5); v.press("r", 5) }},
		{"scrolled-80", 80, 9, func(v *view) { v.press("down", 4); v.press("down", 4) }},
		{"watched-80", 80, 14, func(v *view) { // has no remedies, but things to note
			for i := range v.report.Keys {
				v.report.Keys[i].Remedy = ""
			}
			v.report.Source = "10.0.0.7:11211, 10.0.0.8:11211, 10.0.0.9:11211, 10.0.0.10:11211, 10.0.0.11:11211"
			v.report.Notes = []string{
				"10.0.0.9:11211: dial tcp 10.0.0.9:11211: connect: connection refused",
				"10.0.0.8:11211: 12345 lines of its log were skipped", "10.0.0.10:11211: connecting", "10.0.0.11:11211: connecting",
			}
		}},
		{"fleet-80", 80, 14, fleet},
		{"fleet-sorted-80", 80, 14, func(v *view) { fleet(v); v.press("s", 5) }}, // by fleet
		{"fleet-120", 120, 14, fleet},
		{"fleet-missed-80", 80, 8, func(v *view) { fleet(v); v.press("2", 5) }},
		{"old-80", 80, 10, func(v *view) { v.report.Time = noon.Add(-time.Minute) }},
		{"nothing-80", 80, 8, func(v *view) { v.report = hotkey.Report{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newView(time.Second)
			v.update(reported())
			tt.change(v)
			golden(t, tt.name, screenOf(t, v, tt.wide, tt.high))
		})
	}
}

// fleet is a report of a client that knows more than what it has seen itself.
func fleet(v *view) {
	v.report.Keys[0].FleetShare, v.report.Keys[2].FleetShare = 0.31, 0.125
	v.report.Keys[1].Origin, v.report.Keys[2].Origin = "sflow-rt", "fetchers, sflow-rt"
	v.report.Missed[0].Origin = "fetchers"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestPlainOutput(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	var b strings.Builder
	require.NoError(t, v.write(noon, &b))
	golden(t, "plain", b.String())
}

func TestAScreenOfAnySizeHoldsTogether(t *testing.T) {
	v := newView(time.Second)
	v.update(reported())
	for wide := 1; wide < 200; wide += 3 {
		for high := 1; high < 30; high++ {
			f := v.render(noon, wide, high)
			require.LessOrEqual(t, len(f.lines), high)
			require.Positive(t, f.page)
		}
	}
	for wide := 30; wide < 200; wide++ {
		screenOf(t, v, wide, 20)
	}
}

func TestAmount(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.004: "0.00", 1: "1.00", 9.994: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", 999.4: "999",
		999.6: "1.00k", 12_345: "12.3k", 123_456: "123k", 1e6: "1.00M", 1e17: "100P", -1: "?", 1e18: "?",
		9.994e17: "999P", 9.996e17: "1000P", math.Nextafter(1e18, 0): "1000P",
	} {
		require.Equal(t, want, amount(v), v)
		require.LessOrEqual(t, len(amount(v)), 5)
	}
}

func TestPercent(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0%", 0.9999: "99.9%", 1: "100.0%", 2: "100.0%", 0.1234: "12.3%", -1: "?"} {
		require.Equal(t, want, percent(v), v)
	}
	require.Equal(t, "-", ratio(nil))
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 5, "abc  "}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"abc", -1, ""},
		{"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日… "},
	} {
		require.Equal(t, tt.want, fit(tt.in, tt.n), fmt.Sprint(tt.in, tt.n))
	}
	require.Equal(t, "  ab", right("ab", 4))
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[2J\x07\xff\u202e\u0301")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range printable(s) {
			require.True(t, r >= ' ' && r != 0x7f && !(r >= 0x80 && r < 0xa0), "%q", r)
		}
		require.LessOrEqual(t, width(fit(printable(s), 20)), 20)
	})
}
