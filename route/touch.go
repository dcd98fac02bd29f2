package route

import (
	"context"
	"errors"

	"github.com/nohop/memcache/protocol"
)

// getAndTouch gives a value a new exptime at every replica and reads it at one.
type getAndTouch struct{ touch, read Route }

// GetAndTouch serves get-and-touch where a key has several replicas: touch gets the op as a Touch first and, unless that
// missed or failed, read gets it as a Get. With the native command the replicas that are not read would keep their
// old exptime. A touch that reached some of the replicas is good enough: the others lose the item sooner, which is a miss
// and no stale value, and a node that is down must not keep the item from being read.
func GetAndTouch(touch, read Route) Route { return &getAndTouch{touch, read} }

func (g *getAndTouch) Do(ctx context.Context, ops []*Op) {
	become(ops, protocol.Touch, 0)
	g.touch.Do(ctx, ops)
	become(ops, protocol.Get, readFlags)
	if found := filter(ops, touched); len(found) > 0 {
		g.read.Do(ctx, found)
	}
	become(ops, protocol.GetAndTouch, readFlags)
}

func (g *getAndTouch) Explain(op *Op) Step {
	return Step{Route: "get-and-touch", Why: "touched at all replicas, then read", Next: []Step{Explain(g.touch, op), Explain(g.read, op)}}
}

func touched(op *Op) bool {
	if op.Err != nil {
		return errors.Is(op.Err, ErrPartialWrite)
	}
	return op.Reply.Status == protocol.OK
}

// readFlags are what a plain read returns.
const readFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS

func become(ops []*Op, c protocol.Command, flags protocol.MetaFlags) {
	for _, op := range ops {
		op.Request.Command = c
		op.Request.Meta = op.Request.Meta&protocol.BinaryKey | flags
	}
}
