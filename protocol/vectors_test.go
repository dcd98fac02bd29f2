package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/vectors"
	"github.com/nohop/memcache/protocol"
)

const recordedVersion = "1.6.18"

// outcome is what one version answered to a vector.
type outcome struct {
	version string
	recv    [][]byte // per step; shorter than the steps if the server closed
	inSync  bool
}

// outcomes returns the recorded one first.
func outcomes(v vectors.Vector) []outcome {
	own := outcome{version: recordedVersion, inSync: v.InSync != nil && *v.InSync}
	for _, s := range v.Steps {
		if s.SleepS == 0 {
			own.recv = append(own.recv, s.Recv)
		}
	}
	list := []outcome{own}
	for version, o := range v.OtherVersions {
		list = append(list, outcome{version, o.Recv, o.InSync != nil && *o.InSync && !o.Closed})
	}
	return list
}

func sends(v vectors.Vector) (list [][]byte) {
	for _, s := range v.Steps {
		if s.SleepS == 0 {
			list = append(list, s.Send)
		}
	}
	return list
}

// TestVectorsDecode reads every recorded reply as the answer to its request. What is accepted must say the same as the
// line, word for word; what is not accepted ends the connection. 1.6.18 must be read to the end of every conversation
// that our requests can have; whoever is still reading at the end must be in sync.
func TestVectorsDecode(t *testing.T) {
	decoded := make(map[string]int)
	for _, v := range vectors.Load() {
		sent := sends(v)
		for _, o := range outcomes(v) {
			n, err := followConversation(sent, o)
			decoded[o.version] += n
			if err == nil {
				require.True(t, o.inSync, "%s on %s: read to the end, but not in sync", v.ID, o.version)
				continue
			}
			require.ErrorIs(t, err, errClosed, "%s on %s", v.ID, o.version)
		}
	}
	t.Log(decoded)
	require.Greater(t, decoded[recordedVersion], 300)
	require.Greater(t, decoded["1.6.45"], 60) // the file holds only what differs
	require.Greater(t, decoded["1.6.9"], 20)
}

// followConversation returns the number of replies it has read. Errors other than errClosed are misreadings.
func followConversation(sent [][]byte, o outcome) (n int, err error) {
	for i, recv := range o.recv {
		if i >= len(sent) {
			break
		}
		requests, ok := readRequests(sent[i])
		if !ok {
			return n, errClosed // not a conversation of ours
		}
		in := &replyReader{rest: recv}
		for _, q := range requests {
			if err := in.readReply(q); err != nil {
				if o.version == recordedVersion && !mayEnd(err, q, o) {
					return n, fmt.Errorf("%.60q: %v", q.wire, err)
				}
				return n, err
			}
			n++
		}
		if len(in.rest) > 0 && in.err == nil {
			return n, errClosed // a reply that nobody is owed
		}
		if in.err != nil {
			return n, in.err
		}
	}
	return n, nil
}

// mayEnd reports whether a conversation with the recorded version may end with err: at an error line, at a request that
// Check refuses, or where the server closed.
func mayEnd(err error, q recordedRequest, o outcome) bool {
	return isErrorReply(err) || protocol.Check(&q.Request) != nil || errors.Is(err, errEnd) && !o.inSync
}

// TestVectorsSync holds the table of errors against every error line that was ever recorded: the four lines that keep
// the connection are the only ones, and no version was out of sync after them.
func TestVectorsSync(t *testing.T) {
	keep := []string{
		"SERVER_ERROR object too large for cache",
		"SERVER_ERROR out of memory storing object",
		"SERVER_ERROR Out of memory during read",
		"CLIENT_ERROR cannot increment or decrement non-numeric value",
	}
	seen := make(map[string]int)
	for _, v := range vectors.Load() {
		for _, o := range outcomes(v) {
			for _, recv := range o.recv {
				for line := range strings.SplitSeq(string(recv), "\r\n") {
					if !isErrorLine(line) {
						continue
					}
					inSync := (&protocol.ServerError{Text: line}).InSync()
					require.Equal(t, slices.Contains(keep, line), inSync, "%s on %s: %s", v.ID, o.version, line)
					require.False(t, inSync && !o.inSync, "%s on %s is out of sync after %s", v.ID, o.version, line)
					seen[line]++
				}
			}
		}
	}
	require.Greater(t, len(seen), 25, "kinds of error lines")
	require.Positive(t, seen[keep[0]])
	require.Positive(t, seen[keep[2]])
	require.Positive(t, seen[keep[3]])
}

func isErrorLine(line string) bool {
	return strings.HasPrefix(line, "ERROR") || strings.HasPrefix(line, "CLIENT_ERROR") ||
		strings.HasPrefix(line, "SERVER_ERROR") || strings.HasPrefix(line, "Error ")
}

// TestVectorsEncode sends every recorded request again. Where Check, Plan and the encoder take it, the bytes must be
// those that were recorded: all of them, or the same words if flags stood in another order.
func TestVectorsEncode(t *testing.T) {
	same, reordered := 0, 0
	for _, v := range vectors.Load() {
		for _, sent := range sends(v) {
			requests, _ := readRequests(sent)
			for _, q := range requests {
				got, ok := encodeAgain(q)
				switch {
				case !ok:
				case bytes.Equal(got, q.wire):
					same++
				default:
					require.Equal(t, sortedWords(q.wire), sortedWords(got), "%s: %.80q", v.ID, q.wire)
					reordered++
				}
			}
		}
	}
	t.Logf("%d the same, %d in another order", same, reordered)
	require.Greater(t, same, 200)
	require.Positive(t, reordered)
}

// encodeAgain reports false for what we would not send: refused by Check or by Plan in every dialect, a bare mg.
func encodeAgain(q recordedRequest) ([]byte, bool) {
	if q.form == protocol.FormLine {
		return encodeLineAgain(q)
	}
	if protocol.Check(&q.Request) != nil || isBareGet(q) || !inSomeDialect(q) {
		return nil, false
	}
	return protocol.AppendRequest(nil, &q.Request, q.form, q.opaque), true
}

// isBareGet reports an mg that asks for nothing: ours asks for a value then.
func isBareGet(q recordedRequest) bool {
	asks := protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS | protocol.ReturnTTL | protocol.ReturnSize |
		protocol.ReturnKey | protocol.ReturnHit | protocol.ReturnLastAccess
	return q.Command == protocol.Get && q.form == protocol.FormMeta && q.Meta&asks == 0
}

func inSomeDialect(q recordedRequest) bool {
	for _, d := range []protocol.Dialect{protocol.Text, protocol.MetaCondGet} {
		// A meta Get of nothing but value, flags and CAS is planned as a line, but can be sent.
		f, err := protocol.Plan(d, &q.Request)
		if err == nil && (f == q.form || q.Command == protocol.Get) {
			return true
		}
	}
	return false
}

func encodeLineAgain(q recordedRequest) ([]byte, bool) {
	for _, key := range q.keys {
		if protocol.CheckKey(key) != nil {
			return nil, false
		}
	}
	dst := protocol.AppendLineStart(nil, &q.Request)
	for _, key := range q.keys {
		dst = protocol.AppendLineKey(dst, key)
	}
	return protocol.AppendLineEnd(dst), true
}

// sortedWords ignores what means the same: the order of words, runs of spaces, and get for gets.
func sortedWords(wire []byte) []string {
	line, rest, _ := strings.Cut(string(wire), "\r\n")
	words := strings.Fields(line)
	switch words[0] {
	case "get", "gat":
		words[0] += "s"
	}
	slices.Sort(words[1:])
	return append(words, rest)
}

// TestVectorsAcceptWhatPlanAllows is the promise of Plan: a request that passes Check and that Plan gives to a dialect
// is never refused by a server of that dialect for how it is written.
func TestVectorsAcceptWhatPlanAllows(t *testing.T) {
	checked := 0
	for _, v := range vectors.Load() {
		if v.Group == "auth" {
			continue // the refusal is what is recorded
		}
		for _, o := range outcomes(v) {
			for i, sent := range sends(v) {
				requests, ok := readRequests(sent)
				if !ok || i >= len(o.recv) {
					break // from here on it is not a conversation of ours
				}
				if len(requests) != 1 || !mayBeSentTo(o.version, requests[0]) {
					continue
				}
				checked++
				line, _, _ := strings.Cut(string(o.recv[i]), "\r\n")
				refused := isErrorLine(line) && !(&protocol.ServerError{Text: line}).InSync()
				require.False(t, refused, "%s on %s: %.80q: %s", v.ID, o.version, sent, line)
			}
		}
	}
	t.Logf("%d requests", checked)
	require.Greater(t, checked, 400)
}

func mayBeSentTo(version string, q recordedRequest) bool {
	d := protocol.DialectOf(version)
	if q.form == protocol.FormLine {
		q.Key = q.keys[0]
		if len(q.keys) > protocol.MaxLineKeys || q.Command == protocol.GetAndTouch && version == "1.4.39" {
			return false // gats is younger
		}
		for _, key := range q.keys {
			if protocol.CheckKey(key) != nil {
				return false
			}
		}
	}
	if q.form == protocol.FormStats && q.Key == "bogus" || isBareGet(q) {
		return false // a group that does not exist is for the caller to know; a bare mg is never sent
	}
	f, err := protocol.Plan(d, &q.Request)
	return protocol.Check(&q.Request) == nil && err == nil &&
		(f == q.form || f == protocol.FormLine || q.form == protocol.FormText || q.form == protocol.FormLine) &&
		(d.HasMeta() || q.form != protocol.FormMeta)
}
