package memcachetest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// withPipe runs a story with both ends of a pipe in a bubble.
func withPipe(t *testing.T, story func(t *testing.T, a, b *pipeConn)) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe(pipeAddr("a"), pipeAddr("b"))
		defer a.Close()
		defer b.Close()
		story(t, a, b)
	})
}

func TestPipeBuffersAWriteWithoutAReader(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		sent := bytes.Repeat([]byte("0123456789abcdef"), pipeBufferSize/16)
		n, err := a.Write(sent)
		require.NoError(t, err)
		require.Equal(t, len(sent), n)
		require.NoError(t, a.CloseWrite())
		got, err := io.ReadAll(b)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent, got))
	})
}

func TestPipeWriterWaitsForRoom(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		written := make(chan int, 1)
		go func() {
			n, _ := a.Write(make([]byte, pipeBufferSize+3))
			written <- n
		}()
		synctest.Wait() // fails the test if the writer is not durably blocked
		require.Empty(t, written)
		_, err := io.ReadFull(b, make([]byte, 3))
		require.NoError(t, err)
		require.Equal(t, pipeBufferSize+3, <-written)
	})
}

func TestPipeDeadlines(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		full := make([]byte, pipeBufferSize+1)
		rows := []struct {
			name string
			set  func(time.Time) error
			wait func() error
		}{
			{"read", a.SetReadDeadline, func() error { _, err := a.Read(make([]byte, 1)); return err }},
			{"write", a.SetWriteDeadline, func() error { _, err := a.Write(full); return err }},
			{"both", a.SetDeadline, func() error { _, err := a.Read(make([]byte, 1)); return err }},
		}
		for _, row := range rows {
			for _, d := range []time.Duration{time.Second, 0, -time.Second} {
				require.NoError(t, row.set(time.Now().Add(d)))
				var err error
				passed := took(func() { err = row.wait() })
				require.Equal(t, max(d, 0), passed, row.name)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded, row.name)
				var timeout net.Error
				require.True(t, errors.As(err, &timeout) && timeout.Timeout(), row.name)
			}
			require.NoError(t, row.set(time.Time{}))
		}
	})
}

func TestPipeDeadlineCanMoveWhileAReaderWaits(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Second)))
		failed := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Minute))) // the first timer has nothing to say
		require.Equal(t, time.Minute, took(func() { require.ErrorIs(t, <-failed, os.ErrDeadlineExceeded) }))
		require.NoError(t, a.SetReadDeadline(time.Time{}))
		_, err := b.Write([]byte("x"))
		require.NoError(t, err)
		_, err = a.Read(make([]byte, 1))
		require.NoError(t, err)
	})
}

func TestPipeEnds(t *testing.T) {
	one := make([]byte, 1)
	rows := []struct {
		name        string
		end         func(a, b *pipeConn)
		read, write error // what b sees
	}{
		{"close", func(a, b *pipeConn) { a.Close() }, io.EOF, syscall.EPIPE},
		{"half close", func(a, b *pipeConn) { a.CloseWrite() }, io.EOF, nil},
		{"reset", func(a, b *pipeConn) { a.reset() }, syscall.ECONNRESET, syscall.EPIPE},
		{"close with bytes unread", func(a, b *pipeConn) { b.Write(one); a.Close() }, syscall.ECONNRESET, syscall.EPIPE},
		{"own close", func(a, b *pipeConn) { b.Close() }, net.ErrClosed, net.ErrClosed},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			withPipe(t, func(t *testing.T, a, b *pipeConn) {
				row.end(a, b)
				_, err := b.Read(one)
				require.ErrorIs(t, err, row.read)
				_, err = b.Write(one)
				require.ErrorIs(t, err, row.write)
			})
		})
	}
}

func TestPipeCloseWakesBothEnds(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		ended := make(chan error, 4)
		for _, end := range []*pipeConn{a, b} {
			go func() { _, err := end.Read(make([]byte, 1)); ended <- err }()
			go func() { _, err := end.Write(make([]byte, 2*pipeBufferSize)); ended <- err }()
		}
		synctest.Wait()
		a.Close()
		b.Close()
		for range 4 {
			<-ended
		}
		require.ErrorIs(t, a.Close(), net.ErrClosed)
	})
}

func TestPipeNames(t *testing.T) {
	withPipe(t, func(t *testing.T, a, b *pipeConn) {
		require.Equal(t, "a", a.LocalAddr().String())
		require.Equal(t, "b", a.RemoteAddr().String())
		require.Equal(t, "pipe", b.RemoteAddr().Network())
	})
}
