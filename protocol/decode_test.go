package protocol_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

func decode(t *testing.T, line string, c protocol.Command, f protocol.Form) protocol.Reply {
	t.Helper()
	var reply protocol.Reply
	require.NoError(t, reply.Decode([]byte(line), c, f), line)
	return reply
}

func TestDecodeMeta(t *testing.T) {
	rows := []struct {
		line    string
		command protocol.Command
		want    protocol.Reply
	}{
		{"HD", protocol.Set, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"HD ", protocol.Delete, protocol.Reply{Status: protocol.OK, Block: -1}}, // before 1.6.18
		{"NF  kfoo", protocol.Delete, protocol.Reply{Status: protocol.Miss, Block: -1, Meta: protocol.ReturnKey, Key: []byte("foo")}},
		{"EN", protocol.Get, protocol.Reply{Status: protocol.Miss, Block: -1}}, // before 1.6.18, O or not
		{"EN O1f", protocol.Get, protocol.Reply{Status: protocol.Miss, Block: -1, Meta: protocol.WithOpaque, Opaque: 0x1f}},
		{"NS Offffffff", protocol.Add, protocol.Reply{Status: protocol.NotStored, Block: -1, Meta: protocol.WithOpaque, Opaque: math.MaxUint32}},
		{"EX c0", protocol.Set, protocol.Reply{Status: protocol.Exists, Block: -1, Meta: protocol.ReturnCAS}},
		{"MN", protocol.Noop, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"VA 0 W", protocol.Get, protocol.Reply{Status: protocol.OK, Block: 0, Meta: protocol.ReturnValue | protocol.Won}},
		{"VA 2", protocol.Increment, protocol.Reply{Status: protocol.OK, Block: 2, Meta: protocol.ReturnValue}},
		{"VA 2147483645", protocol.Get, protocol.Reply{Status: protocol.OK, Block: math.MaxInt32 - 2, Meta: protocol.ReturnValue}},
		{
			"VA 3 t-1 s3 f4294967295 c18446744073709551615 l0 h1 kZm9v b O0 X Z",
			protocol.GetAndTouch,
			protocol.Reply{
				Status: protocol.OK, Block: 3, TTL: -1, Size: 3, Flags: math.MaxUint32, CAS: math.MaxUint64, Hit: true,
				Key: []byte("Zm9v"),
				Meta: protocol.ReturnValue | protocol.ReturnTTL | protocol.ReturnSize | protocol.ReturnFlags |
					protocol.ReturnCAS | protocol.ReturnLastAccess | protocol.ReturnHit | protocol.ReturnKey |
					protocol.BinaryKey | protocol.WithOpaque | protocol.Stale | protocol.Busy,
			},
		},
		{"HD h0 y Y7", protocol.Touch, protocol.Reply{Status: protocol.OK, Block: -1, Meta: protocol.ReturnHit}}, // letters of tomorrow
		{
			"ME foo exp=-1 la=0 cas=1 fetch=no cls=1 size=63", protocol.Debug,
			protocol.Reply{Status: protocol.OK, Block: -1, Key: []byte("foo"), Text: "exp=-1 la=0 cas=1 fetch=no cls=1 size=63"},
		},
		{"EN", protocol.Debug, protocol.Reply{Status: protocol.Miss, Block: -1}},
	}
	for _, row := range rows {
		t.Run(row.line, func(t *testing.T) {
			require.Equal(t, row.want, decode(t, row.line, row.command, protocol.FormMeta))
		})
	}
}

func TestDecodeText(t *testing.T) {
	rows := []struct {
		line    string
		command protocol.Command
		form    protocol.Form
		want    protocol.Reply
	}{
		{"STORED", protocol.Set, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"STORED", protocol.Auth, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"NOT_STORED", protocol.Append, protocol.FormText, protocol.Reply{Status: protocol.NotStored, Block: -1}},
		{"EXISTS", protocol.Set, protocol.FormText, protocol.Reply{Status: protocol.Exists, Block: -1}},
		{"NOT_FOUND", protocol.Set, protocol.FormText, protocol.Reply{Status: protocol.Miss, Block: -1}},
		{"NOT_FOUND", protocol.Decrement, protocol.FormText, protocol.Reply{Status: protocol.Miss, Block: -1}},
		{"DELETED", protocol.Delete, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"TOUCHED", protocol.Touch, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"OK", protocol.FlushAll, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"VERSION 1.6.18", protocol.Version, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1, Text: "1.6.18"}},
		{"VERSION 1.6.18", protocol.Noop, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1, Text: "1.6.18"}},
		{"18446744073709551615", protocol.Increment, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1, Number: math.MaxUint64, Meta: protocol.ReturnValue}},
		{"9 ", protocol.Decrement, protocol.FormText, protocol.Reply{Status: protocol.OK, Block: -1, Number: 9, Meta: protocol.ReturnValue}},

		{"STAT pid 7", protocol.Stats, protocol.FormStats, protocol.Reply{Status: protocol.More, Block: -1, Name: "pid", Text: "7"}},
		{"STAT libevent a b", protocol.Stats, protocol.FormStats, protocol.Reply{Status: protocol.More, Block: -1, Name: "libevent", Text: "a b"}},
		{"STAT empty ", protocol.Stats, protocol.FormStats, protocol.Reply{Status: protocol.More, Block: -1, Name: "empty"}},
		{"END", protocol.Stats, protocol.FormStats, protocol.Reply{Status: protocol.OK, Block: -1}},
		{"RESET", protocol.Stats, protocol.FormStats, protocol.Reply{Status: protocol.OK, Block: -1}},

		{"END", protocol.Get, protocol.FormLine, protocol.Reply{Status: protocol.Miss, Block: -1}},
		{"VALUE k 0 0", protocol.Get, protocol.FormLine, value("k", 0, 0)},
		{"VALUE \x80\xff 4294967295 2147483645", protocol.Get, protocol.FormLine, value("\x80\xff", math.MaxUint32, math.MaxInt32-2)},
		{"VALUE k 1 2 18446744073709551615", protocol.GetAndTouch, protocol.FormLine, withCAS(value("k", 1, 2), math.MaxUint64)},
	}
	for _, row := range rows {
		t.Run(row.line, func(t *testing.T) {
			require.Equal(t, row.want, decode(t, row.line, row.command, row.form))
		})
	}
}

func value(key string, flags uint32, size int) protocol.Reply {
	return protocol.Reply{
		Status: protocol.OK, Key: []byte(key), Flags: flags, Block: size,
		Meta: protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnKey,
	}
}

func withCAS(r protocol.Reply, cas uint64) protocol.Reply {
	r.CAS, r.Meta = cas, r.Meta|protocol.ReturnCAS
	return r
}

// TestDecodeRefuses: each line is close to a reply and is none. The reply must be left with nothing in it.
func TestDecodeRefuses(t *testing.T) {
	rows := []struct {
		why, line string
		command   protocol.Command
		form      protocol.Form
	}{
		{"empty", "", protocol.Get, protocol.FormMeta},
		{"one letter", "H", protocol.Set, protocol.FormMeta},
		{"1.6.9 for HD", "OK", protocol.Set, protocol.FormMeta},
		{"1.6.9 for HD, to a delete", "OK ", protocol.Delete, protocol.FormMeta},
		{"1.6.9 with flags", "OK c1", protocol.Get, protocol.FormMeta},
		{"code in lower case", "hd", protocol.Set, protocol.FormMeta},
		{"code with more letters", "HDX", protocol.Set, protocol.FormMeta},
		{"bare CR", "HD\r", protocol.Set, protocol.FormMeta},
		{"a miss of a get to a set", "EN", protocol.Set, protocol.FormMeta},
		{"a miss of a set to a get", "NF", protocol.Get, protocol.FormMeta},
		{"value to a set", "VA 3", protocol.Set, protocol.FormMeta},
		{"value to a delete", "VA 3", protocol.Delete, protocol.FormMeta},
		{"noop's reply to a get", "MN", protocol.Get, protocol.FormMeta},
		{"a get's reply to noop", "HD", protocol.Noop, protocol.FormMeta},
		{"not stored to a delete", "NS", protocol.Delete, protocol.FormMeta},
		{"exists to a get", "EX", protocol.Get, protocol.FormMeta},
		{"debug line to a get", "ME k exp=1", protocol.Get, protocol.FormMeta},
		{"debug line without key", "ME  ", protocol.Debug, protocol.FormMeta},
		{"no size", "VA", protocol.Get, protocol.FormMeta},
		{"empty size", "VA ", protocol.Get, protocol.FormMeta},
		{"flag for a size", "VA f3", protocol.Get, protocol.FormMeta},
		{"negative size", "VA -1", protocol.Get, protocol.FormMeta},
		{"signed size", "VA +1", protocol.Get, protocol.FormMeta},
		{"size beyond memcached's", "VA 2147483646", protocol.Get, protocol.FormMeta},
		{"size beyond 64 bits", "VA 18446744073709551616", protocol.Get, protocol.FormMeta},
		{"size that wraps to 3", "VA 18446744073709551619", protocol.Get, protocol.FormMeta},
		{"size with letters", "VA 3x", protocol.Get, protocol.FormMeta},
		{"number longer than a number", "VA 21", protocol.Increment, protocol.FormMeta},
		{"flags beyond 32 bits", "HD f4294967296", protocol.Get, protocol.FormMeta},
		{"CAS beyond 64 bits", "HD c18446744073709551616", protocol.Get, protocol.FormMeta},
		{"CAS without number", "HD c", protocol.Get, protocol.FormMeta},
		{"CAS of 21 digits", "HD c000000000000000000001", protocol.Get, protocol.FormMeta},
		{"TTL without number", "HD t-", protocol.Get, protocol.FormMeta},
		{"TTL beyond 63 bits", "HD t9223372036854775808", protocol.Get, protocol.FormMeta},
		{"hit is neither 0 nor 1", "HD h2", protocol.Get, protocol.FormMeta},
		{"hit without number", "HD h", protocol.Get, protocol.FormMeta},
		{"opaque of another client", "HD Oxyz", protocol.Get, protocol.FormMeta},
		{"empty opaque", "HD O", protocol.Get, protocol.FormMeta},
		{"opaque in upper case", "HD OAB", protocol.Get, protocol.FormMeta},
		{"opaque of 9 digits", "HD O123456789", protocol.Get, protocol.FormMeta},
		{"two opaques", "HD O1 O2", protocol.Get, protocol.FormMeta},
		{"two keys", "HD ka kb", protocol.Get, protocol.FormMeta},
		{"two wins", "HD W W", protocol.Get, protocol.FormMeta},
		{"empty key", "HD k", protocol.Get, protocol.FormMeta},
		{"token behind a bare flag", "HD W1", protocol.Get, protocol.FormMeta},
		{"flag is no letter", "HD !", protocol.Get, protocol.FormMeta},
		{"flag is a byte above 127", "HD \x80", protocol.Get, protocol.FormMeta},
		{"tab between flags", "HD\tO1", protocol.Get, protocol.FormMeta},
		{"classic reply to a meta request", "STORED", protocol.Set, protocol.FormMeta},
		{"classic value to a meta request", "VALUE k 0 1", protocol.Get, protocol.FormMeta},
		{"classic miss to a meta request", "END", protocol.Get, protocol.FormMeta},
		{"meta request to version", "HD", protocol.Version, protocol.FormMeta},

		{"meta reply to a line", "EN", protocol.Get, protocol.FormLine},
		{"no key", "VALUE  0 1", protocol.Get, protocol.FormLine},
		{"nothing", "VALUE ", protocol.Get, protocol.FormLine},
		{"cut behind VALUE", "VALUE", protocol.Get, protocol.FormLine},
		{"cut behind the key", "VALUE k", protocol.Get, protocol.FormLine},
		{"cut behind the flags", "VALUE k 0", protocol.Get, protocol.FormLine},
		{"empty size", "VALUE k 0 ", protocol.Get, protocol.FormLine},
		{"flags beyond 32 bits", "VALUE k 4294967296 1", protocol.Get, protocol.FormLine},
		{"negative size", "VALUE k 0 -1", protocol.Get, protocol.FormLine},
		{"size beyond memcached's", "VALUE k 0 2147483646", protocol.Get, protocol.FormLine},
		{"CAS beyond 64 bits", "VALUE k 0 1 18446744073709551616", protocol.Get, protocol.FormLine},
		{"CAS is no number", "VALUE k 0 1 x", protocol.Get, protocol.FormLine},
		{"a word too many", "VALUE k 0 1 2 3", protocol.Get, protocol.FormLine},
		{"letters behind a number", "VALUE k 0x 1", protocol.Get, protocol.FormLine},
		{"END with more", "END ", protocol.Get, protocol.FormLine},
		{"a line for a set", "END", protocol.Set, protocol.FormLine},
		{"a value for a set", "VALUE k 0 1", protocol.Set, protocol.FormLine},
		{"item lines of a stats group", "ITEM k [1 b; 0 s]", protocol.Stats, protocol.FormStats},
		{"no name", "STAT ", protocol.Stats, protocol.FormStats},
		{"cut behind STAT", "STAT", protocol.Stats, protocol.FormStats},
		{"stats for a get", "END", protocol.Get, protocol.FormStats},

		{"stored to a delete", "STORED", protocol.Delete, protocol.FormText},
		{"deleted to a set", "DELETED", protocol.Set, protocol.FormText},
		{"touched to a set", "TOUCHED", protocol.Set, protocol.FormText},
		{"not found to an add", "NOT_FOUND", protocol.Add, protocol.FormText},
		{"exists to an add", "EXISTS", protocol.Add, protocol.FormText},
		{"ok to a set", "OK", protocol.Set, protocol.FormText},
		{"number to a set", "7", protocol.Set, protocol.FormText},
		{"word to an increment", "STORED", protocol.Increment, protocol.FormText},
		{"negative number", "-1", protocol.Increment, protocol.FormText},
		{"number beyond 64 bits", "18446744073709551616", protocol.Increment, protocol.FormText},
		{"spaces for a number", "  ", protocol.Increment, protocol.FormText},
		{"leading space", " 1", protocol.Increment, protocol.FormText},
		{"version without text", "VERSION", protocol.Version, protocol.FormText},
		{"word with more", "STORED ", protocol.Set, protocol.FormText},
		{"unknown form", "7", protocol.Get, 0},
	}
	for _, row := range rows {
		t.Run(row.why, func(t *testing.T) {
			reply := protocol.Reply{Status: protocol.OK, CAS: 7, Key: []byte("left")}
			err := reply.Decode([]byte(row.line), row.command, row.form)
			var syntax *protocol.SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, row.line, syntax.Line)
			require.Equal(t, protocol.Reply{Block: -1}, reply)
		})
	}
}

func TestReplyIsKey(t *testing.T) {
	long := strings.Repeat("k", 250)
	rows := []struct {
		name, line, key string
		want            bool
	}{
		{"plain", "HD kfoo", "foo", true},
		{"another", "HD kfoo", "fox", false},
		{"longer", "HD kfoo", "fo", false},
		{"stored with b, asked plain", "HD kZm9v b", "foo", true},
		{"another in base64", "HD kZm9v b", "fox", false},
		{"base64 itself", "HD kZm9v b", "Zm9v", false},
		{"base64 without b is a plain key", "HD kZm9v", "foo", false},
		{"b before k", "HD b kZm9v", "foo", true},
		{"other base64 of the same bytes", "HD kZm9v\r b", "foo", false},
		{"bad base64", "HD kZm9 b", "foo", false},
		{"any bytes", "HD kAAECAw== b", "\x00\x01\x02\x03", true},
		{"250 bytes", "HD k" + long, long, true},
		{"too long for base64", "HD kZm9v b", long, false},
		{"no key", "HD", "foo", false},
	}
	for _, row := range rows {
		reply := decode(t, row.line, protocol.Get, protocol.FormMeta)
		require.Equal(t, row.want, reply.IsKey(row.key), row.name)
	}
}

func TestParseNumber(t *testing.T) {
	rows := map[string]uint64{"0": 0, "9 ": 9, "10   ": 10, "007": 7, "18446744073709551615": math.MaxUint64, "00000000000000000001": 1}
	for s, want := range rows {
		got, ok := protocol.ParseNumber([]byte(s))
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", " ", " 1", "-1", "+1", "1 2", "1.0", "0x1", "18446744073709551616", "99999999999999999999", "000000000000000000001", "1\x00"} {
		_, ok := protocol.ParseNumber([]byte(s))
		require.False(t, ok, "%q", s)
	}
}
