package pool

import (
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/faultproxy"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// A write that is still on its way when its connection is given up must not arrive after a newer one: what the connection had
// not delivered by then is thrown away.
func TestAWriteOnAConnectionThatWasGivenUpDoesNotArriveLater(t *testing.T) {
	real := realnode.Start(t)
	network, err := faultproxy.Start(real.Addr, 1)
	require.NoError(t, err)
	t.Cleanup(network.Close)
	n := newTestNode(t, Config{Addr: network.Addr()})
	direct := newTestNode(t, patient(real.Addr))
	mustSet(t, n, "k", "first")
	first := n.streams[0].Load()

	const bytesPerSecond = 20_000
	require.NoError(t, network.Set(faultproxy.Faults{ToNode: faultproxy.Link{BytesPerSecond: bytesPerSecond}}))
	old := strings.Repeat("old", bytesPerSecond/2) // on its way for more than a second
	requireFailed(t, set(t.Context(), n, "k", old), Ambiguous, ErrTimeout)
	givenUp := func() bool { c := n.streams[0].Load(); return c != nil && c != first }
	for !givenUp() && t.Context().Err() == nil {
		do(t.Context(), n, protocol.Request{Command: protocol.Noop})
	}
	newer := set(t.Context(), n, "k", "new")
	require.NoError(t, newer.Err)

	isOld := func() bool { return string(get(t.Context(), direct, "k").Value) == old }
	require.Never(t, isOld, 2*time.Second, 20*time.Millisecond)
}
