package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

// TestAppendRequestDoesNotAllocate: Check, Plan and AppendRequest into a buffer with room.
func TestAppendRequestDoesNotAllocate(t *testing.T) {
	value := make([]byte, 100)
	requests := map[string]protocol.Request{
		"get":        {Command: protocol.Get, Key: "user:1234"},
		"get flags":  {Command: protocol.Get, Key: "user:1234", Meta: protocol.ReturnTTL | protocol.ReturnValue},
		"gat":        {Command: protocol.GetAndTouch, Key: "user:1234", Exptime: 60},
		"set":        {Command: protocol.Set, Key: "user:1234", Value: value, Flags: 7, Exptime: 3600},
		"cas":        {Command: protocol.Set, Key: "user:1234", Value: value, Meta: protocol.Compare, CAS: 1 << 60},
		"delete":     {Command: protocol.Delete, Key: "user:1234"},
		"touch":      {Command: protocol.Touch, Key: "user:1234", Exptime: 3600},
		"increment":  {Command: protocol.Increment, Key: "user:1234", Delta: 1 << 60, Meta: protocol.ReturnValue},
		"noop":       {Command: protocol.Noop},
		"stats":      {Command: protocol.Stats, Key: "items"},
		"binary key": {Command: protocol.Delete, Key: "a key with spaces that is longer than 32 bytes", Meta: protocol.BinaryKey},
	}
	buf := make([]byte, 0, 1024)
	for name, r := range requests {
		r.Meta |= protocol.WithOpaque
		for _, d := range []protocol.Dialect{protocol.Text, protocol.MetaExCAS} {
			f, err := protocol.Plan(d, &r)
			if err != nil {
				continue
			}
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if protocol.Check(&r) != nil {
					panic("refused")
				}
				f, _ = protocol.Plan(d, &r)
				protocol.AppendRequest(buf, &r, f, 1<<31)
			}), "%s in %v", name, d)
		}
	}
}

// replyLines are the lines of the hot paths.
var replyLines = []struct {
	name, line string
	command    protocol.Command
	form       protocol.Form
}{
	{"line hit", "VALUE user:1234 0 100 123456789", protocol.Get, protocol.FormLine},
	{"line hit, long key", "VALUE a:key:of:some:more:bytes:as:they:are:in:production:1234567 4294967295 100 1234567890123", protocol.Get, protocol.FormLine},
	{"line end", "END", protocol.Get, protocol.FormLine},
	{"meta hit", "VA 100 f0 c123456789 O1f", protocol.Get, protocol.FormMeta},
	{"meta hit, key", "VA 100 t-1 s100 kdXNlcjoxMjM0 b O1f W", protocol.Get, protocol.FormMeta},
	{"meta miss", "EN O1f", protocol.Get, protocol.FormMeta},
	{"meta stored", "HD O1f", protocol.Set, protocol.FormMeta},
	{"meta deleted", "HD O1f", protocol.Delete, protocol.FormMeta},
	{"meta not found", "NF O1f", protocol.Delete, protocol.FormMeta},
	{"text stored", "STORED", protocol.Set, protocol.FormText},
	{"text not found", "NOT_FOUND", protocol.Delete, protocol.FormText},
	{"text number", "18446744073709551615", protocol.Increment, protocol.FormText},
	{"stats end", "END", protocol.Stats, protocol.FormStats},
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	var reply protocol.Reply
	for _, row := range replyLines {
		line := []byte(row.line)
		require.NoError(t, reply.Decode(line, row.command, row.form), row.name)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if reply.Decode(line, row.command, row.form) != nil {
				panic("refused")
			}
			reply.IsKey("user:1234")
		}), row.name)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, row := range replyLines {
		b.Run(row.name, func(b *testing.B) {
			var reply protocol.Reply
			line := []byte(row.line)
			b.ReportAllocs()
			for b.Loop() {
				if err := reply.Decode(line, row.command, row.form); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	value := make([]byte, 100)
	rows := []struct {
		name    string
		dialect protocol.Dialect
		request protocol.Request
	}{
		{"get", protocol.Meta, protocol.Request{Command: protocol.Get, Key: "user:1234"}},
		{"meta get", protocol.Meta, protocol.Request{Command: protocol.Get, Key: "user:1234", Meta: protocol.ReturnValue | protocol.ReturnTTL}},
		{"meta set", protocol.Meta, protocol.Request{Command: protocol.Set, Key: "user:1234", Value: value, Exptime: 3600}},
		{"meta delete", protocol.Meta, protocol.Request{Command: protocol.Delete, Key: "user:1234"}},
		{"text set", protocol.Text, protocol.Request{Command: protocol.Set, Key: "user:1234", Value: value, Exptime: 3600}},
		{"text delete", protocol.Text, protocol.Request{Command: protocol.Delete, Key: "user:1234"}},
	}
	buf := make([]byte, 0, 1024)
	for _, row := range rows {
		b.Run(row.name, func(b *testing.B) {
			r := row.request
			r.Meta |= protocol.WithOpaque
			b.ReportAllocs()
			for b.Loop() {
				f, err := protocol.Plan(row.dialect, &r)
				if err != nil {
					b.Fatal(err)
				}
				protocol.AppendRequest(buf, &r, f, 0xabc)
			}
		})
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, key := range []string{"user:1234", "a:key:of:some:more:bytes:as:they:are:in:production:1234567"} {
		r := protocol.Request{Command: protocol.Get, Key: key}
		b.Run(key, func(b *testing.B) {
			for b.Loop() {
				if err := protocol.Check(&r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
