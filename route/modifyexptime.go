package route

import (
	"context"
	"fmt"
	"time"

	"github.com/nohop/memcache/protocol"
)

// ExptimeAction says what ModifyExptime does.
type ExptimeAction uint8

// The actions.
const (
	SetExptime ExptimeAction = iota + 1 // whatever the request says
	MinExptime                          // the earlier of the two; an item that never expires gets one
)

type modifyExptime struct {
	action ExptimeAction
	ttl    time.Duration
	child  Route
}

// ModifyExptime has child serve stores and touches with another exptime: ttl from now, or at most that. 0 means never.
// Other operations pass as they are. A negative ttl, or one past 2038, is an error.
func ModifyExptime(action ExptimeAction, ttl time.Duration, child Route) (Route, error) {
	if action != SetExptime && action != MinExptime {
		return nil, fmt.Errorf("%w: no such action on an exptime", protocol.ErrInvalidTTL)
	}
	if _, err := protocol.Exptime(ttl, time.Now()); err != nil {
		return nil, err
	}
	return &modifyExptime{action, ttl, child}, nil
}

func (m *modifyExptime) Do(ctx context.Context, ops []*Op) { rewrite(ctx, ops, m.modify) }

func (m *modifyExptime) modify(op *Op) (Route, error) {
	if !carriesExptime(op) {
		return m.child, nil
	}
	now := time.Now()
	exptime, err := protocol.Exptime(m.ttl, now)
	if err == nil && (m.action == SetExptime || earlier(exptime, op.Request.Exptime, now)) {
		op.Request.Exptime = exptime
	}
	return m.child, err
}

// carriesExptime reports whether op's exptime becomes an item's.
func carriesExptime(op *Op) bool {
	switch c := op.Request.Command; c {
	case protocol.Set, protocol.Add, protocol.Replace, protocol.Touch, protocol.GetAndTouch:
		return true
	}
	return op.Request.Has(protocol.UpdateTTL)
}

// earlier reports whether an item with exptime a is gone before one with exptime b.
func earlier(a, b int64, now time.Time) bool {
	return a != 0 && (b == 0 || absolute(a, now) < absolute(b, now))
}

// relativeLimit is up to what an exptime counts from now, in seconds; a larger one is a time (protocol.txt, "Expiration
// times").
const relativeLimit = 30 * 24 * 60 * 60

func absolute(exptime int64, now time.Time) int64 {
	if exptime <= relativeLimit {
		return now.Unix() + exptime
	}
	return exptime
}

func (m *modifyExptime) Explain(op *Op) Step {
	what := map[ExptimeAction]string{SetExptime: "set to", MinExptime: "at most"}[m.action]
	return Step{
		Route: "modify exptime", Why: fmt.Sprintf("of stores and touches: %s %v", what, m.ttl),
		Next: []Step{explainRewritten(op, m.modify)},
	}
}
