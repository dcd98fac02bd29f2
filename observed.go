package memcache

import (
	"context"
	"errors"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// observed is a tree whose calls are told to observers. A client without observers has no such route, and so no branch.
type observed struct {
	tree   route.Route
	client *Client
}

// observe puts the observers, if there are any, before the trees of a view.
func (c *Client) observe(v *view) {
	if len(c.cfg.observers) > 0 {
		v.tree, v.read = &observed{v.tree, c}, &observed{v.read, c}
	}
}

func (o *observed) Do(ctx context.Context, ops []*route.Op) {
	if len(ops) == 0 || refused(ops) {
		return
	}
	call := callOf(ops)
	for _, observer := range o.client.cfg.observers {
		ctx = observer.Start(ctx, call)
	}
	for _, op := range ops {
		op.Failovers = 0
	}
	o.tree.Do(ctx, ops)
	result := resultOf(ops)
	o.tell(result)
	for _, observer := range o.client.cfg.observers {
		observer.End(ctx, call, result)
	}
}

// refused settles a read of one key that is malformed. All other ops have been checked before they come here; where nobody
// observes, the node does that.
func refused(ops []*route.Op) bool {
	if len(ops) > 1 || ops[0].Request.Command != protocol.Get {
		return false
	}
	err := protocol.Check(&ops[0].Request)
	if err != nil {
		ops[0].Settle(nil, notSent(&ops[0].Request, err))
	}
	return err != nil
}

// tell makes events of what a call alone knows.
func (o *observed) tell(r Result) {
	if r.Failovers > 0 {
		o.client.events.add(Event{Kind: FailedOver, Node: r.Node, Err: r.Err})
	}
	if r.Err != nil && isWriteError(r.Err) {
		o.client.events.add(Event{Kind: WrotePartly, Err: r.Err})
	}
}

func isWriteError(err error) bool {
	var partial *WriteError
	return errors.As(err, &partial)
}

func (o *observed) Explain(op *route.Op) route.Step { return route.Explain(o.tree, op) }
