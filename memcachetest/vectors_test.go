package memcachetest

import (
	"context"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/vectors"
)

// leftOut names the vectors this server does not answer, and why.
var leftOut = map[string]string{
	"binary-magic": "the server speaks text only, like memcached -B ascii",
}

// optionsFor turns the arguments of a recorded process into options.
func optionsFor(t *testing.T, args []string) []Option {
	var opts []Option
	for i := 0; i < len(args); i++ {
		value := func() string { i++; return args[i] }
		switch args[i] {
		case "-B":
			require.Equal(t, "ascii", value()) // the only protocol there is
		case "-C":
			opts = append(opts, WithoutCAS())
		case "-I":
			opts = append(opts, WithMaxItemSize(megabytes(t, strings.TrimSuffix(value(), "m"))))
		case "-M":
			opts = append(opts, WithoutEviction())
		case "-X":
			opts = append(opts, WithoutDump())
		case "-Y":
			pair := strings.Split(value(), ":")
			opts = append(opts, WithAuth(pair[1], pair[2]))
		case "-c":
			n, err := strconv.Atoi(value())
			require.NoError(t, err)
			opts = append(opts, WithMaxConns(n))
		case "-m":
			opts = append(opts, WithMemoryLimit(megabytes(t, value())))
		case "-o":
			require.Equal(t, "idle_timeout=1", value())
			opts = append(opts, WithIdleTimeout(time.Second))
		default:
			t.Fatalf("argument %s has no option", args[i])
		}
	}
	return opts
}

func megabytes(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	require.NoError(t, err)
	return n << 20
}

// conversation replays a vector on one connection.
type conversation struct {
	t    *testing.T
	conn net.Conn
	send func(p []byte) error
}

func dialFor(t *testing.T, s *Server, v vectors.Vector) net.Conn {
	dial := func() net.Conn {
		conn, err := s.DialContext(context.Background(), "", "")
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	for range v.Preopen {
		dial()
	}
	return dial()
}

// replay sends each step and checks that exactly its reply comes back. Bytes
// too many show up in the next reply, or after the half close at the end.
func (c conversation) replay(v vectors.Vector) {
	for _, step := range v.Steps {
		if step.SleepS > 0 {
			time.Sleep(time.Duration(step.SleepS * float64(time.Second)))
			continue
		}
		err := c.send(step.Send)
		if step.Closed == "" {
			require.NoError(c.t, err)
		}
		c.expect(step.Recv, v.Volatile)
		if step.Closed != "" {
			c.expectClosed(step.Closed)
			return
		}
	}
	require.NoError(c.t, c.send(v.Probe.Send))
	c.expect(v.Probe.Recv, false)
	require.NoError(c.t, c.conn.(interface{ CloseWrite() error }).CloseWrite())
	rest, err := io.ReadAll(c.conn)
	require.NoError(c.t, err)
	require.Empty(c.t, string(rest), "more than the recorded replies")
}

func (c conversation) expect(want []byte, volatile bool) {
	if volatile {
		c.expectShape(string(want))
		return
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.conn, got)
	require.Equal(c.t, string(want), string(got[:n]), "then %v", err)
}

var number = regexp.MustCompile(`\d+`)

func shape(s string) string { return number.ReplaceAllString(s, "#") }

// expectShape reads as many lines as want has and compares all but numbers.
func (c conversation) expectShape(want string) {
	var got strings.Builder
	buf := make([]byte, 1)
	for strings.Count(got.String(), "\n") < strings.Count(want, "\n") {
		_, err := c.conn.Read(buf)
		require.NoError(c.t, err, "after %q", got.String())
		got.Write(buf)
	}
	require.Equal(c.t, shape(want), shape(got.String()))
}

func (c conversation) expectClosed(how string) {
	n, err := c.conn.Read(make([]byte, 1))
	require.Zero(c.t, n)
	if how == "fin" {
		require.ErrorIs(c.t, err, io.EOF)
		return
	}
	require.ErrorIs(c.t, err, syscall.ECONNRESET)
}

func recorded(t *testing.T, run func(t *testing.T, v vectors.Vector)) {
	for _, v := range vectors.Load() {
		t.Run(v.ID, func(t *testing.T) {
			if why, out := leftOut[v.ID]; out {
				t.Skip(why)
			}
			run(t, v)
		})
	}
}

func TestVectorsOverTCP(t *testing.T) {
	recorded(t, func(t *testing.T, v vectors.Vector) {
		if slices.ContainsFunc(v.Steps, func(s vectors.Step) bool { return s.SleepS > 0 }) {
			t.Skip("sleeps: only on a pipe, where time is free")
		}
		t.Parallel()
		s := NewServer(optionsFor(t, v.Args)...)
		defer s.Close()
		conn := dialFor(t, s, v)
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		conversation{t, conn, func(p []byte) error { _, err := conn.Write(p); return err }}.replay(v)
	})
}

func TestVectorsOverPipe(t *testing.T) {
	recorded(t, func(t *testing.T, v vectors.Vector) {
		synctest.Test(t, func(t *testing.T) {
			s := NewServer(append(optionsFor(t, v.Args), WithPipe())...)
			defer s.Close()
			conn := dialFor(t, s, v)
			conversation{t, conn, func(p []byte) error { _, err := conn.Write(p); return err }}.replay(v)
		})
	})
}
