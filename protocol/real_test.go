package protocol_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
)

// exchange is a connection that is used for one request at a time.
type exchange struct {
	t  *testing.T
	nc net.Conn
	in *bufio.Reader
}

func dialReal(t *testing.T) *exchange {
	t.Helper()
	node := realnode.Start(t)
	nc, err := net.Dial("tcp", node.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	return &exchange{t, nc, bufio.NewReader(nc)}
}

func (x *exchange) line() []byte {
	line, err := x.in.ReadBytes('\n')
	require.NoError(x.t, err)
	return line[:len(line)-2]
}

func (x *exchange) dialect() protocol.Dialect {
	_, err := io.WriteString(x.nc, "version\r\n")
	require.NoError(x.t, err)
	var reply protocol.Reply
	require.NoError(x.t, reply.Decode(x.line(), protocol.Version, protocol.FormText))
	return protocol.DialectOf(reply.Text)
}

// fence is answered with OK, which answers no other request of these tests.
const fence = "verbosity 0\r\n"

// send writes prepare, the request and the fence, and returns the replies to the request, at most one but for Stats and
// a line, and the error that came instead.
func (x *exchange) send(prepare string, r *protocol.Request, f protocol.Form, opaque uint32) (list []protocol.Reply, refused error) {
	wire := protocol.AppendRequest([]byte(prepare), r, f, opaque)
	_, err := x.nc.Write(append(wire, fence...))
	require.NoError(x.t, err)
	if prepare != "" {
		x.line()
	}
	for {
		line := x.line()
		if string(line) == "OK" {
			return list, refused
		}
		var reply protocol.Reply
		if err := reply.Decode(line, r.Command, f); err != nil {
			refused = err
			continue
		}
		if reply.Block >= 0 {
			_, err := io.CopyN(io.Discard, x.in, int64(reply.Block+2))
			require.NoError(x.t, err)
		}
		list = append(list, reply)
	}
}

// TestRealServerObeysEveryPairOfFlags sends each command with each flag, with each pair, and with all that Plan lets
// through, to an item that is there and to one that is not. The server must answer each with one reply, carry the opaque,
// and return on a hit what was asked for.
func TestRealServerObeysEveryPairOfFlags(t *testing.T) {
	x := dialReal(t)
	d := x.dialect()
	sent := 0
	for c := protocol.Get; c <= protocol.Debug; c++ {
		sets := []protocol.MetaFlags{0, everyFlag(d, c).Meta}
		for _, a := range flagOf {
			for _, b := range flagOf {
				sets = append(sets, a|b)
			}
		}
		for _, flags := range sets {
			for _, prepare := range []string{"set kkkk 0 100 1\r\n5\r\n", "delete kkkk\r\n"} {
				if x.obeys(d, c, flags, prepare) {
					sent++
				}
			}
		}
	}
	t.Logf("%d requests in %v", sent, d)
	require.Greater(t, sent, 1000)
}

// obeys reports false if Check or Plan refuses the request.
func (x *exchange) obeys(d protocol.Dialect, c protocol.Command, flags protocol.MetaFlags, prepare string) bool {
	r := protocol.Request{
		Command: c, Meta: flags, Key: "kkkk", Value: []byte("7"), Exptime: 50, Delta: 2, CAS: 1 << 40, NewCAS: 7,
		Initial: 3, VivifyTTL: 60, RecacheTTL: 200,
	}
	if flags&protocol.BinaryKey != 0 {
		r.Key = "\x92\x49\x24" // kkkk is its base64
	}
	if !c.IsKeyed() {
		r.Key = ""
	}
	f, err := protocol.Plan(d, &r)
	if err != nil || protocol.Check(&r) != nil || c == protocol.FlushAll || c == protocol.Auth {
		return false
	}
	what := fmt.Sprintf("%q after %q", protocol.AppendRequest(nil, &r, f, 0xabc), prepare)
	replies, refused := x.send(prepare, &r, f, 0xabc)
	require.NoError(x.t, refused, what)
	if c == protocol.Stats || f == protocol.FormLine {
		return true
	}
	if len(replies) == 0 {
		require.True(x.t, r.Has(protocol.Quiet), what)
		return true
	}
	require.Len(x.t, replies, 1, what)
	x.checkAnswer(&replies[0], &r, f, what)
	return true
}

func (x *exchange) checkAnswer(reply *protocol.Reply, r *protocol.Request, f protocol.Form, what string) {
	carries := f == protocol.FormMeta && r.Has(protocol.WithOpaque) && r.Command <= protocol.Decrement
	require.Equal(x.t, carries, reply.Has(protocol.WithOpaque), what)
	if carries {
		require.Equal(x.t, uint32(0xabc), reply.Opaque, what)
	}
	if f == protocol.FormMeta && r.Has(protocol.ReturnKey) {
		require.True(x.t, reply.IsKey(r.Key), what)
	}
	asked := r.Meta & (protocol.ReturnFlags | protocol.ReturnCAS | protocol.ReturnTTL | protocol.ReturnSize |
		protocol.ReturnHit | protocol.ReturnLastAccess | protocol.ReturnValue)
	if reply.Status == protocol.OK && f == protocol.FormMeta {
		require.True(x.t, reply.Has(asked), what)
	}
	if reply.Status == protocol.OK && reply.Has(protocol.ReturnTTL) {
		wantTTL := []int64{50, 60, 99, 100} // T50, N60, or what was set
		require.Contains(x.t, wantTTL, reply.TTL, what)
	}
}

// TestRealServerTakesLimits: the longest key, the longest line of keys, the last exptime.
func TestRealServerTakesLimits(t *testing.T) {
	x := dialReal(t)
	d := x.dialect()
	for _, c := range []protocol.Command{protocol.Get, protocol.GetAndTouch, protocol.Touch, protocol.Set, protocol.Delete, protocol.Increment} {
		for _, dialect := range []protocol.Dialect{protocol.Text, d} {
			r := everyFlag(dialect, c)
			r.Meta &^= protocol.BinaryKey | protocol.Quiet
			r.Key = longKey
			f, err := protocol.Plan(dialect, &r)
			require.NoError(t, err)
			require.NoError(t, protocol.Check(&r))
			replies, refused := x.send("", &r, f, 1<<32-1)
			require.NoError(t, refused, "%v", c)
			require.NotEmpty(t, replies)
		}
	}

	line := protocol.AppendLineStart(nil, &protocol.Request{Command: protocol.Get})
	for range protocol.MaxLineKeys {
		line = protocol.AppendLineKey(line, strings.Repeat("m", protocol.MaxKeySize))
	}
	_, err := x.nc.Write(protocol.AppendLineEnd(line))
	require.NoError(t, err)
	require.Equal(t, "END", string(x.line()))
}
