package memcache

import (
	"context"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Observer is told what a client does: of each call, when it goes to the nodes and when it is answered, and of what happens
// to the nodes and the view. contrib/otel and contrib/prometheus have one. Without an Observer a call costs nothing more.
//
// Start and End run in the caller's goroutine, Event in one of the client's, one event after the other. All must be safe for
// concurrent use. Start and End must return soon; neither may use the client, as what it does then would be observed too.
type Observer interface {
	// Start is called when a call goes to the nodes. The context it returns, which is ctx or one made of it, goes with the
	// call, and to End.
	Start(ctx context.Context, call Call) context.Context
	// End is called when the call has been answered or has failed.
	End(ctx context.Context, call Call, result Result)
	// Event is called with what has happened, soon after it did.
	Event(Event)
}

// Call is what the application has asked for. What is refused before anything is sent, as a malformed key, is no call.
// GetOrLoad makes several.
type Call struct {
	Command protocol.Command // a compare-and-swap is a Set with Compare
	Compare bool
	Key     string // the first key, as it travels; it may be a secret, so it is not for logs or labels
	Keys    int    // more than 1: of GetMulti, SetMulti or DeleteMulti
}

// Result is what came of a call.
type Result struct {
	Err       error  // of the first key that failed; nil if none did. A miss or a conflict is no error
	Failed    int    // keys that failed
	Hits      int    // reads that found their key
	Misses    int    // reads that did not
	Failovers int    // replicas that keys have been moved on from because they failed
	Node      string // the node that has answered, or failed, the last key; "" if there is none
	Addr      string // of Node

	ops []*pool.Op
}

// KeyResult is what came of one key of a call.
type KeyResult struct {
	Key    string          // as it travels
	Status protocol.Status // of the answer; NoReply if there was none
	Err    error           // why there was none
	Bytes  int             // of the value that was read or sent, as it travels
	Node   string          // the node that has answered or failed; "" if there is none
	Addr   string          // of Node
}

// Key returns what came of one key, i being 0 to Call.Keys-1; the zero KeyResult if there is none. It may be called within End
// only: the memory is used again after that. What is not asked for costs nothing.
func (r Result) Key(i int) KeyResult {
	if i < 0 || i >= len(r.ops) {
		return KeyResult{}
	}
	op := r.ops[i]
	k := KeyResult{Key: op.Request.Key, Err: op.Err, Bytes: len(op.Request.Value)}
	if op.Err == nil {
		k.Status = op.Reply.Status
	}
	if isRead(op.Request.Command) {
		k.Bytes = max(0, len(op.Value)-len(op.Dst)) // no value where nothing was found
	}
	if op.Node != nil {
		k.Node, k.Addr = op.Node.Name(), op.Node.Addr()
	}
	return k
}

func isRead(c protocol.Command) bool { return c == protocol.Get || c == protocol.GetAndTouch }

// WithObserver adds an observer. Several are told in the order in which they were given, and each gets the context of the
// one before it.
func WithObserver(o Observer) Option {
	return func(c *config) error {
		if o == nil {
			return badOption("no observer")
		}
		c.observers = append(c.observers, o)
		return nil
	}
}

// callOf describes a batch.
func callOf(ops []*pool.Op) Call {
	r := &ops[0].Request
	return Call{Command: r.Command, Compare: r.Has(protocol.Compare), Key: r.Key, Keys: len(ops)}
}

// resultOf sums a batch up.
func resultOf(ops []*pool.Op) Result {
	r := Result{ops: ops}
	for _, op := range ops {
		r.Failovers += op.Failovers
		switch {
		case op.Err != nil:
			if r.Failed++; r.Err == nil {
				r.Err = op.Err
			}
		case !isRead(op.Request.Command):
		case op.Reply.Status == protocol.Miss:
			r.Misses++
		default:
			r.Hits++
		}
	}
	if n := ops[len(ops)-1].Node; n != nil {
		r.Node, r.Addr = n.Name(), n.Addr()
	}
	return r
}
