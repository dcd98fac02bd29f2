package pool

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// farConn says that its peer is on another host.
type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 11211} }

// Two batches to a node on another host are under way together: the second is written before the first is answered. Held until
// then, it would take twice the round trip.
func TestNothingIsHeldForAFarNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const roundTrip = 10 * time.Millisecond
		delayed := func(p *peer) {
			var replies sync.WaitGroup
			defer replies.Wait()
			for line := p.line(); line != ""; line = p.line() {
				due := time.Now().Add(roundTrip)
				words := strings.Fields(line)[1:]
				replies.Go(func() {
					time.Sleep(time.Until(due))
					p.say("%s", hits(words, valueOf))
				})
			}
		}
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := scripts(delayed)(ctx, network, addr)
			return farConn{nc}, err
		}
		n := newTestNode(t, Config{Addr: "far", Dial: dial})
		requireHit(t, get(t.Context(), n, "key-0"), valueOf("key-0"))

		start := time.Now()
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				ops := getOps(keys(2 * holdFloor)...)
				n.Do(t.Context(), ops)
				for _, op := range ops {
					requireHit(t, op, valueOf(op.Request.Key))
				}
			})
			synctest.Wait() // the batch before is written
		}
		callers.Wait()
		require.Equal(t, roundTrip, time.Since(start))
	})
}

func TestIsNear(t *testing.T) {
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	require.True(t, isNear(pipe))
	require.False(t, isNear(farConn{pipe}))

	node := startFake(t)
	tcp, err := net.Dial("tcp", node.Addr())
	require.NoError(t, err)
	defer tcp.Close()
	require.True(t, isNear(tcp))
}
