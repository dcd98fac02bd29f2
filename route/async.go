package route

import (
	"context"
	"errors"
)

// ErrNoRoom means that an op for the background was not sent anywhere: the Background is full or closed.
var ErrNoRoom = errors.New("memcache: no room in the background")

// allAsync sends to every replica and believes nobody.
type allAsync struct {
	sync       Route
	background *Background
}

// AllAsync sends each op to every replica of its key in the background, as AllSync does, and answers at once as Null does,
// whatever comes of it: a store is not stored, all else a miss. Only if b has no room is that an error, which matches
// ErrNoRoom: nothing was sent then. Without p or b the error is ErrNoPart.
func AllAsync(p Placement, b *Background) (Route, error) {
	if p == nil || b == nil {
		return nil, ErrNoPart
	}
	return &allAsync{AllSync(p), b}, nil
}

func (a *allAsync) Do(ctx context.Context, ops []*Op) {
	if len(ops) == 0 {
		return
	}
	sent := a.background.Do(ctx, a.sync, ops)
	for _, op := range ops {
		if sent {
			settleByDefault(op)
		} else {
			refuse(op, ErrNoRoom)
		}
	}
}

func (a *allAsync) Explain(op *Op) Step {
	return Step{Route: "all-async", Why: "in the background; " + defaultText(op), Next: []Step{Explain(a.sync, op)}}
}
