package route

import (
	"context"
	"errors"
)

// available is the write policy that takes a partial write for a success.
type available struct{ child Route }

// Available has a write succeed that some replica of child has acknowledged: its answer is theirs, and there is no
// *WriteError. The nodes that have missed it are not read for the key until they have deleted it (pool.Node.Missed), so
// this process never reads the old value; others may, until the repair, if they can reach a node that this one cannot.
// Without Available such a write is an ErrPartialWrite.
func Available(child Route) Route { return &available{child} }

func (a *available) Do(ctx context.Context, ops []*Op) {
	a.child.Do(ctx, ops)
	for _, op := range ops {
		if op.Err != nil && errors.Is(op.Err, ErrPartialWrite) {
			op.Err = nil
		}
	}
}

func (a *available) Explain(op *Op) Step {
	if isRead(op.Request.Command) {
		return Explain(a.child, op)
	}
	return Step{Route: "available", Why: "one acknowledgement is enough", Next: []Step{Explain(a.child, op)}}
}
