package protocol_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

var (
	metaDialects = []protocol.Dialect{protocol.MetaBasic, protocol.Meta, protocol.MetaExCAS, protocol.MetaCondGet}
	allDialects  = append([]protocol.Dialect{protocol.Unknown, protocol.Text}, metaDialects...)
)

// flagOf names the flags by their letters.
var flagOf = map[rune]protocol.MetaFlags{
	'v': protocol.ReturnValue, 'f': protocol.ReturnFlags, 'c': protocol.ReturnCAS, 't': protocol.ReturnTTL,
	's': protocol.ReturnSize, 'k': protocol.ReturnKey, 'h': protocol.ReturnHit, 'l': protocol.ReturnLastAccess,
	'u': protocol.NoBump, 'q': protocol.Quiet, 'b': protocol.BinaryKey, 'O': protocol.WithOpaque,
	'C': protocol.Compare, 'E': protocol.ExplicitCAS, 'T': protocol.UpdateTTL, 'N': protocol.Vivify,
	'R': protocol.Recache, 'J': protocol.WithInitial, 'I': protocol.Invalidate, 'x': protocol.RemoveValue,
	'W': protocol.Won, 'X': protocol.Stale, 'Z': protocol.Busy,
}

// TestPlanKnowsTheFlags spells the table of flags a second time, as letters: for each command what each dialect takes.
// O is taken everywhere.
func TestPlanKnowsTheFlags(t *testing.T) {
	const read, store, count, del = "vfctskhluqbTNR", "cqkbT", "vctkqbCNJT", "kqbCIT"
	rows := []struct {
		command                  protocol.Command
		text, basic, ex, condGet string
	}{
		{protocol.Get, "vfc", read, read + "E", read + "EC"},
		{protocol.GetAndTouch, "vfcT", read, read + "E", read + "EC"},
		{protocol.Touch, "T", read, read + "E", read + "EC"},
		{protocol.Set, "CT", store + "CI", store + "CIEs", store + "CIEs"},
		{protocol.Add, "T", store, store + "Es", store + "Es"},
		{protocol.Replace, "T", store + "CI", store + "CIEs", store + "CIEs"},
		{protocol.Append, "T", store + "C", store + "CEsN", store + "CEsN"},
		{protocol.Prepend, "T", store + "C", store + "CEsN", store + "CEsN"},
		{protocol.Delete, "", del, del + "Ex", del + "Ex"},
		{protocol.Increment, "v", count, count + "E", count + "E"},
		{protocol.Decrement, "v", count, count + "E", count + "E"},
		{protocol.Debug, "-", "b", "b", "b"},
		{protocol.Noop, "", "", "", ""},
		{protocol.Version, "", "", "", ""},
		{protocol.Stats, "", "", "", ""},
		{protocol.FlushAll, "", "", "", ""},
		{protocol.Auth, "", "", "", ""},
	}
	require.Len(t, rows, int(protocol.Auth))
	for _, row := range rows {
		known := map[protocol.Dialect]string{
			protocol.Unknown: row.text, protocol.Text: row.text, protocol.MetaBasic: row.basic, protocol.Meta: row.basic,
			protocol.MetaExCAS: row.ex, protocol.MetaCondGet: row.condGet,
		}
		for _, d := range allDialects {
			for letter, flag := range flagOf {
				_, err := protocol.Plan(d, &protocol.Request{Command: row.command, Meta: flag})
				if known[d] != "-" && strings.ContainsRune(known[d]+"O", letter) {
					require.NoError(t, err, "%v %c in %v", row.command, letter, d)
				} else {
					require.ErrorIs(t, err, protocol.ErrUnsupported, "%v %c in %v", row.command, letter, d)
				}
			}
		}
	}
}

// TestPlanForms: which form a command without flags gets.
func TestPlanForms(t *testing.T) {
	const none = protocol.Form(0)
	for c := protocol.Get; c <= protocol.Auth; c++ {
		text, meta := protocol.FormText, protocol.FormMeta
		switch c {
		case protocol.Get:
			text, meta = protocol.FormLine, protocol.FormLine
		case protocol.GetAndTouch:
			text = protocol.FormLine
		case protocol.Version, protocol.FlushAll, protocol.Auth:
			meta = protocol.FormText
		case protocol.Stats:
			text, meta = protocol.FormStats, protocol.FormStats
		case protocol.Debug:
			text = none
		}
		for _, d := range allDialects {
			want := text
			if d.HasMeta() {
				want = meta
			}
			f, err := protocol.Plan(d, &protocol.Request{Command: c})
			require.Equal(t, want, f, "%v in %v", c, d)
			require.Equal(t, want == none, err != nil)
		}
	}
}

// TestPlanRefusesNonsense: what is no command or no dialect gets no form.
func TestPlanRefusesNonsense(t *testing.T) {
	for _, r := range []protocol.Request{{}, {Command: protocol.Auth + 1}, {Command: 255}} {
		for _, d := range allDialects {
			_, err := protocol.Plan(d, &r)
			require.ErrorIs(t, err, protocol.ErrUnsupported)
		}
	}
	_, err := protocol.Plan(protocol.MetaCondGet+1, &protocol.Request{Command: protocol.Set})
	require.ErrorIs(t, err, protocol.ErrUnsupported)
}

// everyFlag is a request with every flag that d lets c have, and every number as long as it gets.
func everyFlag(d protocol.Dialect, c protocol.Command) protocol.Request {
	r := protocol.Request{
		Command: c, Key: strings.Repeat("k", protocol.MaxBinaryKeySize), Value: []byte("v"), Flags: math.MaxUint32,
		Exptime: math.MaxInt32, Delta: math.MaxUint64, CAS: math.MaxUint64, NewCAS: math.MaxUint64,
		Initial: math.MaxUint64, VivifyTTL: math.MaxInt32, RecacheTTL: 30 * 24 * 3600,
	}
	var flags protocol.MetaFlags
	for _, f := range flagOf {
		r.Meta = f
		if _, err := protocol.Plan(d, &r); err == nil {
			flags |= f
		}
	}
	r.Meta = flags
	return r
}

// longKey is as long as a key may be.
var longKey = strings.Repeat("k", protocol.MaxKeySize)

// A conditional store that the server may find too large goes as classic text, which leaves the item that is there alone.
func TestPlanOfLargeStores(t *testing.T) {
	const large = 512 << 10
	for _, row := range []struct {
		command protocol.Command
		flags   protocol.MetaFlags
		size    int
		want    protocol.Form
	}{
		{protocol.Set, 0, large, protocol.FormMeta},
		{protocol.Set, protocol.Compare, large, protocol.FormText},
		{protocol.Set, protocol.Compare | protocol.WithOpaque, large, protocol.FormText},
		{protocol.Set, protocol.Compare | protocol.Invalidate, large, protocol.FormMeta},
		{protocol.Set, protocol.Compare, large - 1, protocol.FormMeta},
		{protocol.Add, 0, large, protocol.FormText},
		{protocol.Replace, 0, large, protocol.FormText},
		{protocol.Append, 0, large, protocol.FormText},
		{protocol.Prepend, 0, large, protocol.FormText},
		{protocol.Add, protocol.BinaryKey, large, protocol.FormMeta},
		{protocol.Add, 0, large - 1, protocol.FormMeta},
	} {
		r := protocol.Request{Command: row.command, Key: "k", Meta: row.flags, Value: make([]byte, row.size)}
		form, err := protocol.Plan(protocol.Meta, &r)
		require.NoError(t, err)
		require.Equal(t, row.want, form, "%v %b %d", row.command, row.flags, row.size)
	}
}
