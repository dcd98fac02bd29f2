package pool

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The flusher returns in time also if no write of its takes long, but others keep queueing. All calls have 20 ms; the node
// takes what is written within 4 ms, which is less than a tick, and answers it.
func TestTheFlusherIsNotHeldByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNode(t, Config{Timeout: time.Second, Dial: scripts(func(p *peer) {
			for {
				line := p.line()
				if line == "" {
					return
				}
				for p.in.Buffered() > 0 {
					p.line()
					p.say("END\r\n")
				}
				p.say("END\r\n")
				time.Sleep(4 * time.Millisecond)
			}
		})})
		require.NoError(t, get(t.Context(), n, "first").Err)
		var longest atomic.Int64
		var calls sync.WaitGroup
		for range 1000 { // one call each millisecond for a second
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				defer cancel()
				start := time.Now()
				get(ctx, n, "other")
				longest.Store(max(longest.Load(), int64(time.Since(start))))
			})
			time.Sleep(time.Millisecond)
		}
		calls.Wait()
		time.Sleep(10 * time.Millisecond)
		broken := n.Stats().Broken
		n.Close()
		time.Sleep(10 * time.Millisecond) // the peer's end
		require.Zero(t, broken)
		require.LessOrEqual(t, time.Duration(longest.Load()), 20*time.Millisecond+2*tick)
	})
}

// A caller counts on the flusher to read or to have somebody read. The flusher's own op was answered meanwhile.
func TestWhoCountsOnTheFlusherIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ms := func(n int) { time.Sleep(time.Duration(n) * time.Millisecond) }
		n := newTestNode(t, Config{Timeout: time.Second, Dial: scripts(func(p *peer) {
			p.line()
			p.say("END\r\n") // of "first"
			var b [1]byte
			for range len("gets flusher\r") {
				io.ReadFull(p.Conn, b[:])
			}
			p.say("END\r\n") // the flusher's write has not returned yet
			ms(7)
			io.ReadFull(p.Conn, b[:])
			p.line()
			p.say("END\r\n") // "given-up" and "waits" share a line
			p.discard()
		})})
		require.NoError(t, get(t.Context(), n, "first").Err)
		ms(100) // let the watch come to rest
		start := time.Now()
		flusher := make(chan time.Duration, 1)
		go func() {
			get(context.Background(), n, "flusher")
			flusher <- time.Since(start)
		}()
		ms(1)
		go func() { // reads, until it gives up at the first tick
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
			defer cancel()
			get(ctx, n, "given-up")
		}()
		ms(5)
		op := get(t.Context(), n, "waits")
		waited := time.Since(start)
		require.NoError(t, op.Err)
		back := <-flusher
		require.Equal(t, back, waited, "its reply was there when the flusher left, and nobody read it")
	})
}
