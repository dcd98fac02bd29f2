package protocol_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/vectors"
	"github.com/nohop/memcache/protocol"
)

var allForms = []protocol.Form{protocol.FormMeta, protocol.FormText, protocol.FormLine, protocol.FormStats, protocol.FormQuiet}

// FuzzDecode reads any line as the answer to any command in any form. What is accepted must keep the promises of Reply;
// what is refused must leave nothing in it and be one of the two kinds of errors.
func FuzzDecode(f *testing.F) {
	for _, row := range replyLines {
		f.Add([]byte(row.line), uint8(row.command), uint8(row.form))
	}
	f.Add([]byte("VA 18446744073709551619"), uint8(protocol.Get), uint8(protocol.FormMeta)) // size that wraps to 3
	f.Add([]byte("VA 21"), uint8(protocol.Increment), uint8(protocol.FormMeta))             // number that is too long
	f.Add([]byte("NF  kfoo"), uint8(protocol.Delete), uint8(protocol.FormMeta))             // stray space
	f.Add([]byte("HD O1 O2"), uint8(protocol.Set), uint8(protocol.FormMeta))                // which one is it?
	f.Add([]byte("HD f4294967301"), uint8(protocol.Get), uint8(protocol.FormMeta))          // 32 bits would say 5
	f.Add([]byte("OK "), uint8(protocol.Set), uint8(protocol.FormMeta))                     // 1.6.9 for HD
	f.Add([]byte("VALUE k 0 1 2 3"), uint8(protocol.Get), uint8(protocol.FormLine))         // word too many
	f.Add([]byte("VALUE  0 1"), uint8(protocol.Get), uint8(protocol.FormLine))              // no key
	f.Add([]byte("SERVER_ERROR object too large for cache"), uint8(protocol.Get), uint8(protocol.FormLine))
	f.Add([]byte("ERROR Too many open connections"), uint8(protocol.Noop), uint8(protocol.FormMeta)) // before any request
	f.Add([]byte("STAT "), uint8(protocol.Stats), uint8(protocol.FormStats))                         // no name
	f.Add([]byte("ME "), uint8(protocol.Debug), uint8(protocol.FormMeta))                            // no key
	f.Add([]byte{}, uint8(0), uint8(0))
	for line := range recordedLines() {
		for _, form := range allForms {
			f.Add([]byte(line), uint8(protocol.Get), uint8(form))
		}
		f.Add([]byte(line), uint8(protocol.Set), uint8(protocol.FormMeta))
	}
	f.Fuzz(func(t *testing.T, line []byte, command, form uint8) {
		before := bytes.Clone(line)
		reply := protocol.Reply{Status: protocol.Exists, CAS: 1}
		err := reply.Decode(line, protocol.Command(command), protocol.Form(form))
		require.Equal(t, before, line)
		if err != nil {
			require.Equal(t, protocol.Reply{Block: -1}, reply)
			checkError(t, err, line)
			return
		}
		checkReply(t, &reply, line, protocol.Command(command), protocol.Form(form))
		reply.IsKey("foo")
	})
}

// recordedLines are the different reply lines that any version sent.
func recordedLines() map[string]bool {
	lines := make(map[string]bool)
	for _, v := range vectors.Load() {
		for _, o := range outcomes(v) {
			for _, recv := range o.recv {
				for line := range strings.SplitSeq(string(recv), "\r\n") {
					lines[line] = len(line) < 2048
				}
			}
		}
	}
	maps.DeleteFunc(lines, func(_ string, short bool) bool { return !short })
	return lines
}

func checkError(t *testing.T, err error, line []byte) {
	t.Helper()
	var refused *protocol.ServerError
	var syntax *protocol.SyntaxError
	switch {
	case errors.As(err, &refused):
		require.True(t, isErrorLine(string(line)))
		require.True(t, bytes.HasPrefix(line, []byte(refused.Text)) && len(refused.Text) <= 256)
		require.Equal(t, refused.InSync(), refused.Cause() != protocol.CauseOther)
	case errors.As(err, &syntax):
		require.True(t, bytes.HasPrefix(line, []byte(syntax.Line)) && len(syntax.Line) <= 64)
	default:
		require.Fail(t, "neither kind of error", err)
	}
	require.Less(t, len(err.Error()), 4*256+100)
}

func checkReply(t *testing.T, reply *protocol.Reply, line []byte, c protocol.Command, f protocol.Form) {
	t.Helper()
	require.NotEqual(t, protocol.NoReply, reply.Status)
	require.False(t, isErrorLine(string(line)), "an error was taken for a reply")
	require.LessOrEqual(t, reply.Block, 1<<31-3)
	require.LessOrEqual(t, len(reply.Key)+len(reply.Name)+len(reply.Text), len(line), "no more than was received")
	if reply.Block >= 0 {
		require.Equal(t, protocol.OK, reply.Status)
		require.True(t, reply.Has(protocol.ReturnValue))
		require.True(t, c <= protocol.Touch || c.IsArithmetic(), "%v has no data block", c)
		require.True(t, f == protocol.FormMeta || f == protocol.FormLine)
	}
	require.False(t, reply.Status == protocol.More && f != protocol.FormStats)
	require.False(t, reply.Status == protocol.Exists && c < protocol.Set)
	if reply.Status == protocol.OK && f == protocol.FormLine {
		require.NotEmpty(t, reply.Key)
	}
}

// FuzzRequest encodes any request. If Check and Plan let it through, the bytes must be one command and nothing else, for
// a reader who knows no more than the server's framing.
func FuzzRequest(f *testing.F) {
	type req = protocol.Request
	add := func(d protocol.Dialect, r req, opaque uint32) {
		f.Add(uint8(d), uint8(r.Command), uint32(r.Meta), r.Key, r.Value, r.Flags, r.Exptime, r.Delta, r.CAS, r.VivifyTTL, opaque)
	}
	add(protocol.Text, req{Command: protocol.Get, Key: "a\r\nset evil 0 0 1\r\n1"}, 0) // injection by key
	add(protocol.Text, req{Command: protocol.Delete, Key: "a 0"}, 0)                   // a legal tail of delete
	add(protocol.Text, req{Command: protocol.Delete, Key: "noreply"}, 0)               // a key that is a word of the protocol
	add(protocol.Meta, req{Command: protocol.Set, Key: "\r\n", Meta: protocol.BinaryKey}, 1)
	add(protocol.Meta, req{Command: protocol.Set, Key: strings.Repeat("k", 187), Meta: protocol.BinaryKey}, 1) // 252 bytes of base64
	add(protocol.Meta, req{Command: protocol.Set, Key: "k", Value: []byte("\r\nmd k\r\n")}, 1)                 // value that is a command
	add(protocol.Text, req{Command: protocol.Auth, Value: []byte("user pass\r\nflush_all")}, 0)
	add(protocol.Text, req{Command: protocol.Stats, Key: "items\r\nflush_all"}, 0)
	add(protocol.Text, req{Command: protocol.FlushAll, Exptime: -1}, 0)
	add(protocol.MetaCondGet, req{Command: protocol.Get, Key: "k", Meta: 1<<32 - 1}, 0)
	add(protocol.MetaExCAS, everyFlag(protocol.MetaExCAS, protocol.Append), 1<<32-1)
	add(protocol.MetaExCAS, everyFlag(protocol.MetaExCAS, protocol.Increment), 1<<32-1)
	f.Fuzz(func(t *testing.T, d, command uint8, meta uint32, key string, value []byte, flags uint32, exptime int64, delta, cas uint64, ttl int64, opaque uint32) {
		r := protocol.Request{
			Command: protocol.Command(command), Meta: protocol.MetaFlags(meta), Key: key, Value: value, Flags: flags,
			Exptime: exptime, Delta: delta, CAS: cas, NewCAS: cas, Initial: delta, VivifyTTL: ttl, RecacheTTL: ttl,
		}
		checkEncoded(t, protocol.Dialect(d), r, opaque)
		r.Meta &= everyFlag(protocol.Dialect(d), r.Command).Meta // so that more inputs get past Plan
		checkEncoded(t, protocol.Dialect(d), r, opaque)
	})
}

func checkEncoded(t *testing.T, d protocol.Dialect, r protocol.Request, opaque uint32) {
	t.Helper()
	errCheck := protocol.Check(&r)
	form, errPlan := protocol.Plan(d, &r)
	if errCheck != nil || errPlan != nil {
		return
	}
	wire := protocol.AppendRequest([]byte("-"), &r, form, opaque)
	require.Equal(t, byte('-'), wire[0])
	require.NoError(t, checkFraming(wire[1:], &r, form), "%q", wire)
}

// checkFraming splits the bytes as a server does, and returns an error unless they are one command about the request's
// own key and value.
func checkFraming(wire []byte, r *protocol.Request, form protocol.Form) error {
	line, rest, found := strings.Cut(string(wire), "\r\n")
	if !found || strings.ContainsAny(line, "\r\n\x00\t") || len(line) > 2046 {
		return errors.New("not one line")
	}
	words := strings.Split(line, " ")
	for _, w := range words {
		if w == "" {
			return errors.New("stray space")
		}
	}
	if r.Command.IsStore() || r.Command == protocol.Auth {
		size := words[2]
		if form != protocol.FormMeta {
			size = words[4]
		}
		if size != fmt.Sprint(len(r.Value)) || rest != string(r.Value)+"\r\n" {
			return errors.New("not the value")
		}
	} else if rest != "" {
		return errors.New("more than a line")
	}
	return checkWords(words, r, form)
}

// checkWords holds the words against the number that the command has, and the key against the request's.
func checkWords(words []string, r *protocol.Request, form protocol.Form) error {
	want := map[string]int{
		"gets": 2, "gats": 3, "touch": 3, "set": 5, "add": 5, "replace": 5, "append": 5, "prepend": 5, "cas": 6,
		"delete": 2, "incr": 3, "decr": 3, "version": 1, "mn": 1,
	}
	if n, ok := want[words[0]]; ok && n != len(words) {
		return fmt.Errorf("%d words", len(words))
	}
	if !r.Command.IsKeyed() {
		return nil
	}
	key := words[1]
	if r.Command == protocol.GetAndTouch && form == protocol.FormLine {
		key = words[2]
	}
	want0 := r.Key
	if r.Has(protocol.BinaryKey) {
		want0 = base64.StdEncoding.EncodeToString([]byte(r.Key))
	}
	if key != want0 || len(key) > 250 {
		return errors.New("not the key")
	}
	if form == protocol.FormMeta {
		return checkFlagWords(words, r)
	}
	return nil
}

// checkFlagWords: no flag twice, at most 20 words with the one that ends the list, and q only if it was asked for.
func checkFlagWords(words []string, r *protocol.Request) error {
	if len(words)+1 > 20 {
		return errors.New("too many flags")
	}
	flags := words[2:]
	if r.Command.IsStore() {
		flags = words[3:]
	}
	seen := make(map[byte]bool)
	for _, w := range flags {
		if seen[w[0]] {
			return errors.New("duplicate flag")
		}
		seen[w[0]] = true
	}
	if seen['q'] != r.Has(protocol.Quiet) || seen['b'] != r.Has(protocol.BinaryKey) {
		return errors.New("q or b")
	}
	return nil
}

// FuzzReplyRoundTrip spells a reply from values, as a server would, and reads it back.
func FuzzReplyRoundTrip(f *testing.F) {
	all := uint32(protocol.ReturnFlags | protocol.ReturnCAS | protocol.ReturnTTL | protocol.ReturnSize |
		protocol.ReturnKey | protocol.ReturnHit | protocol.ReturnLastAccess | protocol.BinaryKey | protocol.WithOpaque |
		protocol.Won | protocol.Stale | protocol.Busy)
	f.Add(uint8(protocol.Get), all, "foo", uint32(7), uint64(9), uint32(0xabc), int64(100), 3)
	f.Add(uint8(protocol.Get), uint32(0), "foo", uint32(0), uint64(0), uint32(0), int64(0), 0) // bare
	f.Add(uint8(protocol.Get), all, "\x00\r\n ", uint32(1<<32-1), uint64(1<<64-1), uint32(1<<32-1), int64(-1), 1<<31-3)
	f.Add(uint8(protocol.Debug), uint32(0), "k", uint32(0), uint64(0), uint32(0), int64(0), -1) // another kind of line
	f.Add(uint8(protocol.Set), uint32(protocol.ReturnCAS), "k", uint32(0), uint64(1<<63), uint32(0), int64(0), -1)
	f.Fuzz(func(t *testing.T, command uint8, meta uint32, key string, flags uint32, cas uint64, opaque uint32, n int64, size int) {
		c := protocol.Command(command)
		for _, form := range []protocol.Form{protocol.FormMeta, protocol.FormLine} {
			want, ok := anyReply(c, form, protocol.MetaFlags(meta&all), key, flags, cas, opaque, n, size)
			if !ok {
				continue
			}
			line := spell(&want, recordedRequest{Request: protocol.Request{Command: c}, form: form})
			require.Equal(t, want, decode(t, line, c, form), line)
			require.Equal(t, want.Has(protocol.ReturnKey), want.IsKey(key) && want.Key != nil)
		}
	})
}

// anyReply builds a reply that a server could send. It reports false if the values cannot be one.
func anyReply(c protocol.Command, form protocol.Form, meta protocol.MetaFlags, key string, flags uint32, cas uint64, opaque uint32, n int64, size int) (r protocol.Reply, ok bool) {
	if c != protocol.Get && (form == protocol.FormLine || !c.IsStore() && c != protocol.Delete) || size < -1 || size > 1<<31-3 {
		return r, false
	}
	if form == protocol.FormLine {
		r = value(key, flags, max(size, 0))
		if meta&protocol.ReturnCAS != 0 {
			r = withCAS(r, cas)
		}
		return r, protocol.CheckKey(key) == nil
	}
	r = protocol.Reply{Status: protocol.OK, Meta: meta, Block: -1}
	if c == protocol.Get && size >= 0 {
		r.Block, r.Meta = size, r.Meta|protocol.ReturnValue
	}
	if r.Has(protocol.ReturnKey) {
		r.Key = []byte(key)
		if r.Has(protocol.BinaryKey) {
			r.Key = []byte(base64.StdEncoding.EncodeToString([]byte(key)))
		}
	}
	fillNumbers(&r, flags, cas, opaque, n)
	if r.Has(protocol.BinaryKey) {
		return r, protocol.CheckBinaryKey(key) == nil
	}
	return r, protocol.CheckKey(key) == nil
}

func fillNumbers(r *protocol.Reply, flags uint32, cas uint64, opaque uint32, n int64) {
	for flag, set := range map[protocol.MetaFlags]func(){
		protocol.ReturnFlags:      func() { r.Flags = flags },
		protocol.ReturnCAS:        func() { r.CAS = cas },
		protocol.WithOpaque:       func() { r.Opaque = opaque },
		protocol.ReturnTTL:        func() { r.TTL = max(n, -1) },
		protocol.ReturnSize:       func() { r.Size = max(n, 0) },
		protocol.ReturnLastAccess: func() { r.LastAccess = max(n, 0) },
		protocol.ReturnHit:        func() { r.Hit = n&1 == 1 },
	} {
		if r.Has(flag) {
			set()
		}
	}
}
