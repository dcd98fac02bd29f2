package pool

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A caller that comes to wait while another is about to write leaves the reading to it. These are the cases in which the
// flusher does not read. In the bubble's time, nobody may wait for as much as a tick.
func TestTheFlusherDoesNotRead(t *testing.T) {
	for name, part := range map[string]func(ctx context.Context, n *Node, ops []*Op){
		"but waits elsewhere first": func(_ context.Context, n *Node, ops []*Op) { n.Flush(ops) },
		"but has given up": func(ctx context.Context, n *Node, ops []*Op) {
			ctx, cancel := context.WithCancel(ctx)
			n.flush(ops)
			cancel()
			n.Wait(ctx, ops)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNode(t, Config{Addr: "node", Dial: scripts(serveHits(valueOf))})
				requireHit(t, get(t.Context(), n, "first"), valueOf("first"))

				ops := getOps("its")
				n.Begin(t.Context(), ops)
				require.NotNil(t, ops[0].flushes)
				start, found := time.Now(), make(chan *Op)
				go func() { found <- get(t.Context(), n, "others") }()
				synctest.Wait() // it waits, and has not become the reader
				require.Equal(t, theFlusher, n.streams[0].Load().reads.Load())

				part(t.Context(), n, ops)
				requireHit(t, <-found, valueOf("others"))
				require.Zero(t, time.Since(start))
				n.Wait(t.Context(), ops)
			})
		})
	}
}

// A node that does not read on before its answers are read gets them read while a large request is being written to it.
func TestSomebodyReadsWhileTheFlusherWritesMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := strings.Repeat("x", promptWrite)
		n := newTestNode(t, Config{Addr: "node", Dial: scripts(func(p *peer) {
			p.expect(1) // of the first request, which has the connection made
			p.say("END\r\n")
			p.expect(1)
			p.say("END\r\n") // in the bubble, a pipe: it waits for a reader
			_, opaque, _ := strings.Cut(p.line(), " O")
			p.expect(1)
			p.say("HD O%s\r\n", opaque)
		})})
		requireMiss(t, get(t.Context(), n, "first"))

		ops := getOps("its")
		n.Begin(t.Context(), ops)
		start, stored := time.Now(), make(chan *Op)
		go func() { stored <- set(t.Context(), n, "others", large) }()
		synctest.Wait()
		require.Equal(t, theFlusher, n.streams[0].Load().reads.Load())

		n.flush(ops)
		require.NoError(t, (<-stored).Err)
		n.Wait(t.Context(), ops)
		requireMiss(t, ops[0])
		require.Zero(t, time.Since(start))
	})
}
