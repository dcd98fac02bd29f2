package route

import (
	"context"
	"strconv"
)

// keyPart places keys by a part of them.
type keyPart struct {
	part  func(key string) string
	child Route
}

// ByKeyPart has child place each key by a part of it, so that keys with the same part live together: the part before a
// hash stop, "user:7|#|photos", or in a hash tag, "{user:7}:photos" (placement.BeforeHashStop, placement.HashTag). The
// whole key is sent. It is for placements that go by Op.Hash, as Slots does; rules for single keys belong above it.
func ByKeyPart(part func(key string) string, child Route) Selector { return &keyPart{part, child} }

// Select gives op the hash of its key's part; the nodes do not mind.
func (k *keyPart) Select(op *Op) Route {
	op.Hash = HashKey(k.part(op.Request.Key))
	return k.child
}

func (k *keyPart) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, k.Select) }

func (k *keyPart) Explain(op *Op) Step {
	changed := *op
	return Step{
		Route: "by key part", Why: "placed by " + strconv.Quote(k.part(op.Request.Key)),
		Next: []Step{Explain(k.Select(&changed), &changed)},
	}
}
