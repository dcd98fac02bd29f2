package recorded

import (
	"context"
	"sync/atomic"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/protocol"
)

// answer is who has answered the last read of a call; it travels in the call's context.
type answer struct{ name atomic.Pointer[string] }

type answerKey struct{}

func withAnswer(ctx context.Context) (context.Context, *answer) {
	a := &answer{}
	return context.WithValue(ctx, answerKey{}, a), a
}

// node returns the name of the node, "" if none is known to have answered.
func (a *answer) node() string {
	if name := a.name.Load(); name != nil {
		return *name
	}
	return ""
}

// Nodes has a client tell which node answers each read; without it, that is not recorded. It is for memcache.WithObserver.
type Nodes struct{}

// Start implements memcache.Observer.
func (Nodes) Start(ctx context.Context, _ memcache.Call) context.Context { return ctx }

// End implements memcache.Observer.
func (Nodes) End(ctx context.Context, call memcache.Call, result memcache.Result) {
	a, ok := ctx.Value(answerKey{}).(*answer)
	if ok && call.Command == protocol.Get && result.Hits == 1 {
		a.name.Store(&result.Node)
	}
}

// Event implements memcache.Observer.
func (Nodes) Event(memcache.Event) {}
