package recorded

import (
	"errors"
	"slices"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/pool"
)

// Outcome says in the history's words what the client said, and which replicas did not acknowledge.
func Outcome(err error) (history.Outcome, []history.NodeOutcome) {
	var write *memcache.WriteError
	var single *memcache.OpError
	switch {
	case err == nil:
		return history.OK, nil
	case errors.As(err, &write):
		nodes := nodesOf(write.Failed)
		if write.Acked > 0 {
			return history.Partial, nodes
		}
		return worst(nodes), nodes
	case errors.Is(err, memcache.ErrCacheMiss):
		return history.Miss, nil
	case errors.Is(err, memcache.ErrNotStored), errors.Is(err, memcache.ErrCASConflict):
		return history.Refused, nil
	case errors.As(err, &single):
		return nodeOutcome(single.Outcome), nodesOf([]error{single})
	}
	return history.Ambiguous, nil
}

// nodesOf returns the nodes that errs name.
func nodesOf(errs []error) (nodes []history.NodeOutcome) {
	for _, err := range errs {
		var failed *memcache.OpError
		if errors.As(err, &failed) && failed.Node != "" {
			nodes = append(nodes, history.NodeOutcome{Node: failed.Node, Outcome: nodeOutcome(failed.Outcome)})
		}
	}
	return nodes
}

func nodeOutcome(o pool.Outcome) history.Outcome {
	switch o {
	case pool.NotSent:
		return history.NotSent
	case pool.Refused:
		return history.Refused
	}
	return history.Ambiguous
}

// worst returns the outcome of a write that no node acknowledged.
func worst(nodes []history.NodeOutcome) history.Outcome {
	for _, o := range []history.Outcome{history.Ambiguous, history.Refused} {
		if slices.ContainsFunc(nodes, func(n history.NodeOutcome) bool { return n.Outcome == o }) {
			return o
		}
	}
	return history.NotSent
}
