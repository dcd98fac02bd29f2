package memcachetest

import (
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must come.
const patience = 24 * time.Hour

// client is one connection of a test, in the style of a story: send, want.
type client struct {
	t    *testing.T
	conn net.Conn
}

func connect(t *testing.T, s *Server) *client {
	conn, err := s.DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{t, conn}
}

func (c *client) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, text)
	require.NoError(c.t, err)
}

func (c *client) want(text string) {
	c.t.Helper()
	got := make([]byte, len(text))
	n, err := io.ReadFull(c.conn, got)
	require.Equal(c.t, text, string(got[:n]), "then %v", err)
}

// do sends a request and wants its reply.
func (c *client) do(request, reply string) {
	c.t.Helper()
	c.send(request)
	c.want(reply)
}

// wantSilence waits for d and wants no byte in that time.
func (c *client) wantSilence(d time.Duration) {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(d)))
	n, err := c.conn.Read(make([]byte, 1))
	require.Zero(c.t, n)
	require.ErrorIs(c.t, err, os.ErrDeadlineExceeded)
	require.NoError(c.t, c.conn.SetDeadline(time.Now().Add(patience)))
}

// wantEnd wants the connection to end with err: io.EOF or a reset.
func (c *client) wantEnd(err error) {
	c.t.Helper()
	n, got := c.conn.Read(make([]byte, 1))
	require.Zero(c.t, n)
	require.ErrorIs(c.t, got, err)
}

// inBubble runs a story with a server on a pipe, in which time is free and a
// goroutine left behind fails the test.
func inBubble(t *testing.T, story func(t *testing.T, s *Server), opts ...Option) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(append(opts, WithPipe())...)
		defer s.Close()
		story(t, s)
	})
}

// took returns how long f takes.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
