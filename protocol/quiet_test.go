package protocol_test

import (
	"strings"
	"testing"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestOnlyPlainSmallStoresCanBeQuiet(t *testing.T) {
	plain := protocol.Request{Command: protocol.Set, Key: "k", Value: []byte("v"), Flags: 3, Exptime: 60}
	require.True(t, plain.CanBeQuiet())
	for name, change := range map[string]func(*protocol.Request){
		"add":     func(r *protocol.Request) { r.Command = protocol.Add },
		"delete":  func(r *protocol.Request) { r.Command = protocol.Delete },
		"cas":     func(r *protocol.Request) { r.Meta = protocol.Compare },
		"returns": func(r *protocol.Request) { r.Meta = protocol.ReturnCAS },
		"stale":   func(r *protocol.Request) { r.Meta = protocol.Invalidate },
		"large":   func(r *protocol.Request) { r.Value = make([]byte, 10_000) },
	} {
		r := plain
		change(&r)
		require.False(t, r.CanBeQuiet(), name)
	}
	plain.Meta = protocol.BinaryKey
	require.True(t, plain.CanBeQuiet())
}

// TestQuieten: the flag comes behind the others, and the bytes are those of a request that was quiet from the beginning.
func TestQuieten(t *testing.T) {
	for _, value := range []string{"", "v", "\r\n", "ms k 3\r\nfoo\r\n", strings.Repeat("x", 5000)} {
		r := protocol.Request{Command: protocol.Set, Key: "k", Value: []byte(value), Exptime: 60}
		loud := protocol.AppendRequest([]byte("before"), &r, protocol.FormMeta, 0)
		r.Meta = protocol.Quiet
		require.Equal(t, string(protocol.AppendRequest([]byte("before"), &r, protocol.FormMeta, 0)), string(protocol.Quieten(loud, len(value))))
	}
	require.Equal(t, "mn\r\n", string(protocol.AppendQuietEnd(nil)))
}

// TestRealServerAnswersQuietStores: nothing for those that are done, a line for each that is refused, and then MN.
func TestRealServerAnswersQuietStores(t *testing.T) {
	x := dialReal(t)
	var wire []byte
	for _, size := range []int{10, 2 << 20, 20, 3 << 20} {
		r := protocol.Request{Command: protocol.Set, Key: "k", Value: make([]byte, size), Meta: protocol.Quiet}
		wire = protocol.AppendRequest(wire, &r, protocol.FormMeta, 0)
	}
	_, err := x.nc.Write(protocol.AppendQuietEnd(wire))
	require.NoError(t, err)
	var reply protocol.Reply
	var refused *protocol.ServerError
	for range 2 {
		require.ErrorAs(t, reply.Decode(x.line(), protocol.Set, protocol.FormQuiet), &refused)
		require.Equal(t, protocol.CauseTooLarge, refused.Cause())
		require.True(t, refused.InSync())
	}
	require.NoError(t, reply.Decode(x.line(), protocol.Set, protocol.FormQuiet))
	require.Equal(t, protocol.OK, reply.Status)
	require.Negative(t, reply.Block)
}
