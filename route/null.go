package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// null answers for nobody.
type null struct{}

// Null sends nothing and answers as mcrouter's NullRoute does: a store (set, add, replace, append, prepend,
// compare-and-swap) is not stored, all else is a miss. It never fails.
func Null() Route { return &null{} }

func (*null) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		settleByDefault(op)
	}
}

func (*null) Explain(op *Op) Step { return Step{Route: "null", Why: defaultText(op)} }

// The default replies. They are never changed.
var (
	defaultMiss      = &Op{Reply: protocol.Reply{Status: protocol.Miss, Block: -1}}
	defaultNotStored = &Op{Reply: protocol.Reply{Status: protocol.NotStored, Block: -1}}
)

// settleByDefault settles op, which is sent nowhere or not waited for.
func settleByDefault(op *Op) { op.Settle(defaultReply(op), nil) }

func defaultReply(op *Op) *Op {
	if op.Request.Command.IsStore() {
		return defaultNotStored
	}
	return defaultMiss
}

func defaultText(op *Op) string {
	if defaultReply(op) == defaultNotStored {
		return "the answer is: not stored"
	}
	return "the answer is: a miss"
}
