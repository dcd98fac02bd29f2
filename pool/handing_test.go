package pool

import (
	"context"
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
				require.True(t, n.streams[0].Load().unread)

				part(t.Context(), n, ops)
				requireHit(t, <-found, valueOf("others"))
				require.Zero(t, time.Since(start))
				n.Wait(t.Context(), ops)
			})
		})
	}
}
