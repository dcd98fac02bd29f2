package protocol_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

func TestErrorLines(t *testing.T) {
	rows := []struct {
		line   string
		kind   protocol.ErrorKind
		cause  protocol.Cause
		inSync bool
	}{
		{"SERVER_ERROR object too large for cache", protocol.KindServerError, protocol.CauseTooLarge, true},
		{"SERVER_ERROR out of memory storing object", protocol.KindServerError, protocol.CauseNoMemory, true},
		{"SERVER_ERROR Out of memory during read", protocol.KindServerError, protocol.CauseNoMemory, true},
		{"SERVER_ERROR out of memory", protocol.KindServerError, protocol.CauseOther, false},
		{"SERVER_ERROR object too large for cache ", protocol.KindServerError, protocol.CauseOther, false},
		{"SERVER_ERROR: shutdown not enabled", protocol.KindServerError, protocol.CauseOther, false},
		{"CLIENT_ERROR bad command line format", protocol.KindClientError, protocol.CauseOther, false},
		{"CLIENT_ERROR bad data chunk", protocol.KindClientError, protocol.CauseOther, false},
		{"CLIENT_ERROR invalid flag", protocol.KindClientError, protocol.CauseOther, false},
		{"ERROR", protocol.KindError, protocol.CauseOther, false},
		{"ERROR Too many open connections", protocol.KindError, protocol.CauseOther, false},
		{"Error TLS not enabled", protocol.KindError, protocol.CauseOther, false},
	}
	forms := []protocol.Form{protocol.FormMeta, protocol.FormText}
	for _, row := range rows {
		for _, f := range forms {
			var reply protocol.Reply
			var refused *protocol.ServerError
			require.ErrorAs(t, reply.Decode([]byte(row.line), protocol.Set, f), &refused)
			require.Equal(t, protocol.ServerError{Kind: row.kind, Text: row.line}, *refused)
			require.Equal(t, row.cause, refused.Cause())
			require.Equal(t, row.inSync, refused.InSync())
		}
	}
}

// TestErrorLinesEverywhere: an error line may stand for every reply, in every form.
func TestErrorLinesEverywhere(t *testing.T) {
	forms := map[protocol.Command]protocol.Form{
		protocol.Get: protocol.FormLine, protocol.Stats: protocol.FormStats, protocol.Version: protocol.FormText,
		protocol.Increment: protocol.FormText, protocol.Noop: protocol.FormMeta, protocol.Auth: protocol.FormText,
	}
	for c, f := range forms {
		var reply protocol.Reply
		var refused *protocol.ServerError
		require.ErrorAs(t, reply.Decode([]byte("CLIENT_ERROR unauthenticated"), c, f), &refused)
		require.False(t, refused.InSync())
	}
}

// TestUnknownGroup: a bare ERROR to Stats is about the group. What looks like it, or answers another command, is not.
func TestUnknownGroup(t *testing.T) {
	decode := func(line string, c protocol.Command, f protocol.Form) *protocol.ServerError {
		var reply protocol.Reply
		var refused *protocol.ServerError
		require.ErrorAs(t, reply.Decode([]byte(line), c, f), &refused)
		require.Equal(t, protocol.KindError, refused.Kind)
		require.Equal(t, line, refused.Text)
		return refused
	}
	refused := decode("ERROR", protocol.Stats, protocol.FormStats)
	require.True(t, refused.InSync())
	require.Equal(t, protocol.CauseUnknownGroup, refused.Cause())
	require.EqualError(t, refused, `memcache: server answered "ERROR": it does not know this group of statistics`)

	for _, other := range []*protocol.ServerError{
		decode("ERROR ", protocol.Stats, protocol.FormStats), decode("ERROR no", protocol.Stats, protocol.FormStats),
		decode("ERROR", protocol.Get, protocol.FormLine), decode("ERROR", protocol.Version, protocol.FormText),
		decode("ERROR", protocol.Set, protocol.FormMeta), {Kind: protocol.KindError, Text: "ERROR"},
	} {
		require.False(t, other.InSync())
		require.Equal(t, protocol.CauseOther, other.Cause())
		require.NotContains(t, other.Error(), "group")
	}
}

// TestErrorOfAnotherCommand: an error line has no opaque. If it cannot be about the command it stands for, replies have
// shifted, and even one that keeps the connection must close it.
func TestErrorOfAnotherCommand(t *testing.T) {
	rows := []struct {
		line    string
		command protocol.Command
		form    protocol.Form
	}{
		{"SERVER_ERROR object too large for cache", protocol.Delete, protocol.FormMeta},
		{"SERVER_ERROR object too large for cache", protocol.Get, protocol.FormLine},
		{"SERVER_ERROR Out of memory during read", protocol.Touch, protocol.FormText},
		{"CLIENT_ERROR cannot increment or decrement non-numeric value", protocol.Set, protocol.FormMeta},
	}
	for _, row := range rows {
		var reply protocol.Reply
		var syntax *protocol.SyntaxError
		require.ErrorAs(t, reply.Decode([]byte(row.line), row.command, row.form), &syntax)
	}
}

// TestErrorsAreBounded: what an error keeps of a line does not grow with it, and is printed on one line.
func TestErrorsAreBounded(t *testing.T) {
	var reply protocol.Reply
	var refused *protocol.ServerError
	require.ErrorAs(t, reply.Decode([]byte("ERROR \x1b"+strings.Repeat("x", 5000)), protocol.Set, protocol.FormMeta), &refused)
	require.Len(t, refused.Text, 256)
	require.Contains(t, refused.Error(), `"ERROR \x1bxxx`)

	var syntax *protocol.SyntaxError
	require.ErrorAs(t, reply.Decode([]byte(strings.Repeat(secret, 1000)), protocol.Set, protocol.FormMeta), &syntax)
	require.Len(t, syntax.Line, 64)
	require.NotContains(t, syntax.Error(), secret)
}
