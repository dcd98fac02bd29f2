package protocol_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

// TestEncode holds golden bytes for every command, in the form that Plan chooses for the dialect.
func TestEncode(t *testing.T) {
	type req = protocol.Request
	const opaque = protocol.WithOpaque
	value := []byte("bar")
	rows := []struct {
		dialect protocol.Dialect
		request req
		want    string
	}{
		// Plain reads are lines in every dialect, opaque or not.
		{protocol.Unknown, req{Command: protocol.Get, Key: "k"}, "gets k\r\n"},
		{protocol.Text, req{Command: protocol.Get, Key: "k", Meta: opaque}, "gets k\r\n"},
		{protocol.MetaCondGet, req{Command: protocol.Get, Key: "k", Meta: protocol.ReturnValue | protocol.ReturnCAS | opaque}, "gets k\r\n"},

		{protocol.Text, req{Command: protocol.GetAndTouch, Key: "k", Exptime: 60}, "gats 60 k\r\n"},
		{protocol.Text, req{Command: protocol.GetAndTouch, Key: "k", Meta: protocol.ReturnValue | opaque}, "gats 0 k\r\n"},
		{protocol.Text, req{Command: protocol.Touch, Key: "k", Exptime: 60, Meta: opaque}, "touch k 60\r\n"},
		{protocol.Text, req{Command: protocol.Touch, Key: "k"}, "touch k 0\r\n"},
		{protocol.Text, req{Command: protocol.Set, Key: "k", Value: value, Flags: math.MaxUint32, Exptime: 9}, "set k 4294967295 9 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Set, Key: "k", Value: value, Meta: opaque}, "set k 0 0 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Set, Key: "k"}, "set k 0 0 0\r\n\r\n"},
		{protocol.Text, req{Command: protocol.Set, Key: "k", Value: value, Meta: protocol.Compare, CAS: math.MaxUint64}, "cas k 0 0 3 18446744073709551615\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Set, Key: "k", Value: value, Meta: protocol.Compare}, "cas k 0 0 3 0\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Add, Key: "k", Value: value}, "add k 0 0 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Replace, Key: "k", Value: value}, "replace k 0 0 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Append, Key: "k", Value: value}, "append k 0 0 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Prepend, Key: "k", Value: value}, "prepend k 0 0 3\r\nbar\r\n"},
		{protocol.Text, req{Command: protocol.Delete, Key: "k"}, "delete k\r\n"},
		{protocol.Text, req{Command: protocol.Increment, Key: "k", Delta: 1}, "incr k 1\r\n"},
		{protocol.Text, req{Command: protocol.Decrement, Key: "k", Delta: math.MaxUint64}, "decr k 18446744073709551615\r\n"},
		{protocol.Text, req{Command: protocol.Noop}, "version\r\n"},

		{protocol.Meta, req{Command: protocol.Version}, "version\r\n"},
		{protocol.Meta, req{Command: protocol.FlushAll}, "flush_all\r\n"},
		{protocol.Meta, req{Command: protocol.FlushAll, Exptime: 10}, "flush_all 10\r\n"},
		{protocol.Meta, req{Command: protocol.Stats}, "stats\r\n"},
		{protocol.Meta, req{Command: protocol.Stats, Key: "slabs"}, "stats slabs\r\n"},
		{protocol.Meta, req{Command: protocol.Auth, Value: []byte("user pass word")}, "set auth 0 0 14\r\nuser pass word\r\n"},

		{protocol.Meta, req{Command: protocol.Noop, Meta: opaque}, "mn\r\n"},
		{protocol.Meta, req{Command: protocol.Debug, Key: "k", Meta: opaque}, "me k\r\n"},
		{protocol.Meta, req{Command: protocol.Debug, Key: "\x00\x01\x02", Meta: protocol.BinaryKey}, "me AAEC b\r\n"},

		// A read that asks for nothing asks for what the classic one returns.
		{protocol.Meta, req{Command: protocol.Get, Key: "k", Meta: protocol.NoBump}, "mg k v f c u\r\n"},
		{protocol.Meta, req{Command: protocol.GetAndTouch, Key: "k", Exptime: 60, Meta: opaque}, "mg k T60 v f c Oabc\r\n"},
		{protocol.Meta, req{Command: protocol.Get, Key: "k", Meta: protocol.ReturnTTL}, "mg k t\r\n"},
		{protocol.Meta, req{Command: protocol.Touch, Key: "k", Exptime: 60}, "mg k T60\r\n"},
		{protocol.Meta, req{Command: protocol.Get, Key: "\x00\x01\x02", Meta: protocol.BinaryKey | protocol.ReturnValue}, "mg AAEC b v\r\n"},
		{
			// What changes the item stands before what describes it.
			protocol.MetaCondGet,
			req{
				Command: protocol.Get, Key: "k", CAS: 5, NewCAS: 6, VivifyTTL: 30, RecacheTTL: 20, Exptime: 40,
				Meta: protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS | protocol.ReturnTTL |
					protocol.ReturnSize | protocol.ReturnKey | protocol.ReturnHit | protocol.ReturnLastAccess |
					protocol.NoBump | protocol.Quiet | opaque | protocol.Compare | protocol.ExplicitCAS |
					protocol.UpdateTTL | protocol.Vivify | protocol.Recache,
			},
			"mg k T40 C5 E6 N30 R20 v f c t s k h l u q Oabc\r\n",
		},

		{protocol.Meta, req{Command: protocol.Set, Key: "k", Value: value}, "ms k 3\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Set, Key: "k", Value: value, Flags: 7, Exptime: 60, Meta: opaque}, "ms k 3 F7 T60 Oabc\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Set, Key: "k", Value: value, Meta: protocol.UpdateTTL}, "ms k 3 T0\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Set, Key: "\x00\x01\x02", Value: value, Meta: protocol.BinaryKey}, "ms AAEC 3 b\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Set, Key: "k", Meta: protocol.Compare | protocol.Invalidate | protocol.ReturnCAS, CAS: 9}, "ms k 0 C9 c I\r\n\r\n"},
		{protocol.Meta, req{Command: protocol.Add, Key: "k", Value: value, Meta: protocol.Quiet}, "ms k 3 ME q\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Replace, Key: "k", Value: value}, "ms k 3 MR\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Append, Key: "k", Value: value}, "ms k 3 MA\r\nbar\r\n"},
		{protocol.Meta, req{Command: protocol.Prepend, Key: "k", Value: value}, "ms k 3 MP\r\nbar\r\n"},
		{protocol.MetaExCAS, req{Command: protocol.Append, Key: "k", Value: value, VivifyTTL: 30, Meta: protocol.Vivify | protocol.ReturnSize | protocol.ExplicitCAS, NewCAS: 8}, "ms k 3 MA E8 N30 s\r\nbar\r\n"},

		{protocol.Meta, req{Command: protocol.Delete, Key: "k", Meta: opaque}, "md k Oabc\r\n"},
		{protocol.Meta, req{Command: protocol.Delete, Key: "k", Meta: protocol.Invalidate | protocol.UpdateTTL | protocol.Compare, Exptime: 30, CAS: 4}, "md k T30 C4 I\r\n"},
		{protocol.MetaExCAS, req{Command: protocol.Delete, Key: "k", Meta: protocol.RemoveValue | protocol.ExplicitCAS, NewCAS: 8}, "md k E8 x\r\n"},

		{protocol.Meta, req{Command: protocol.Increment, Key: "k", Delta: 1}, "ma k\r\n"},
		{protocol.Meta, req{Command: protocol.Increment, Key: "k", Delta: 0, Meta: protocol.ReturnValue}, "ma k D0 v\r\n"},
		{protocol.Meta, req{Command: protocol.Decrement, Key: "k", Delta: 2, Meta: protocol.ReturnValue | opaque}, "ma k MD D2 v Oabc\r\n"},
		{
			protocol.Meta,
			req{Command: protocol.Increment, Key: "k", Delta: 1, VivifyTTL: 60, Initial: 7, Meta: protocol.Vivify | protocol.WithInitial | protocol.ReturnTTL},
			"ma k N60 J7 t\r\n",
		},
	}
	for _, row := range rows {
		t.Run(strings.TrimSpace(row.want), func(t *testing.T) {
			require.NoError(t, protocol.Check(&row.request))
			f, err := protocol.Plan(row.dialect, &row.request)
			require.NoError(t, err)
			require.Equal(t, "before"+row.want, string(protocol.AppendRequest([]byte("before"), &row.request, f, 0xabc)))
		})
	}
}

func TestLineOfKeys(t *testing.T) {
	dst := protocol.AppendLineStart(nil, &protocol.Request{Command: protocol.Get})
	for _, key := range []string{"a", "b", "c"} {
		dst = protocol.AppendLineKey(dst, key)
	}
	require.Equal(t, "gets a b c\r\n", string(protocol.AppendLineEnd(dst)))
}

// TestOpaqueFits: the server takes 31 bytes behind the O, and an opaque of ours has at most 8.
func TestOpaqueFits(t *testing.T) {
	for opaque, want := range map[uint32]string{0: "0", 0xf: "f", math.MaxUint32: "ffffffff"} {
		r := protocol.Request{Command: protocol.Delete, Key: "k", Meta: protocol.WithOpaque}
		line := string(protocol.AppendRequest(nil, &r, protocol.FormMeta, opaque))
		require.Equal(t, "md k O"+want+"\r\n", line)
	}
}

// TestLineLimits: a line of 2048 bytes, or with more than 20 words (the one that ends the list included), costs the
// connection. So no set of flags that Plan lets through may come near.
func TestLineLimits(t *testing.T) {
	longest := 0
	for _, d := range metaDialects {
		for c := protocol.Get; c <= protocol.Debug; c++ {
			r := everyFlag(d, c)
			f, err := protocol.Plan(d, &r)
			if err != nil || f != protocol.FormMeta {
				continue
			}
			require.NoError(t, protocol.Check(&r), "%v in %v", c, d)
			line, _, _ := strings.Cut(string(protocol.AppendRequest(nil, &r, f, math.MaxUint32)), "\r\n")
			require.Less(t, len(line), 2048)
			require.LessOrEqual(t, len(strings.Fields(line))+1, 20, "%v in %v: %s", c, d, line)
			longest = max(longest, len(line))
		}
	}
	require.Greater(t, longest, 350)
	require.Less(t, longest, 500)
}
