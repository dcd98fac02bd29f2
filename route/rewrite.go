package route

import (
	"context"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// original is what a route that changes requests puts back.
type original struct {
	request protocol.Request
	hash    uint64
}

func (o original) restore(op *Op) { op.Request, op.Hash = o.request, o.hash }

// rewrite has each op served as change leaves it, by the route that change returns, and then makes its request what it
// was. An op that change returns an error for is not sent.
func rewrite(ctx context.Context, ops []*Op, change func(*Op) (Route, error)) {
	if len(ops) == 1 {
		rewriteOne(ctx, ops, change)
		return
	}
	were := make([]original, len(ops))
	b := newBatch()
	defer b.free()
	for i, op := range ops {
		were[i] = original{op.Request, op.Hash}
		if r, err := change(op); err != nil {
			refuse(op, err)
		} else {
			b.add(resolve(r, op), op)
		}
	}
	b.do(ctx)
	for i, op := range ops {
		were[i].restore(op)
	}
}

func rewriteOne(ctx context.Context, ops []*Op, change func(*Op) (Route, error)) {
	op := ops[0]
	was := original{op.Request, op.Hash}
	if r, err := change(op); err != nil {
		refuse(op, err)
	} else {
		resolve(r, op).Do(ctx, ops)
	}
	was.restore(op)
}

// explainRewritten explains what serves op as change leaves it.
func explainRewritten(op *Op, change func(*Op) (Route, error)) Step {
	changed := *op
	r, err := change(&changed)
	if err != nil {
		return Step{Route: "refused", Why: err.Error()}
	}
	return Explain(r, &changed)
}

// setKey gives op another key.
func setKey(op *Op, key string) {
	op.Request.Key, op.Hash = key, HashKey(key)
}

// refuse settles an op that is not sent anywhere.
func refuse(op *Op, err error) {
	op.Settle(nil, &pool.Error{Command: op.Request.Command, Outcome: pool.NotSent, Err: err})
}
