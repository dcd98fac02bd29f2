package recorded

import (
	"errors"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

func TestOutcomes(t *testing.T) {
	at := func(node string, o pool.Outcome) error {
		return &memcache.OpError{Node: node, Outcome: o, Err: memcache.ErrTimeout}
	}
	write := func(acked int, failed ...error) error { return &memcache.WriteError{Acked: acked, Failed: failed} }
	for _, row := range []struct {
		err   error
		want  history.Outcome
		nodes []history.NodeOutcome
	}{
		{nil, history.OK, nil},
		{memcache.ErrCacheMiss, history.Miss, nil},
		{memcache.ErrNotStored, history.Refused, nil},
		{memcache.ErrCASConflict, history.Refused, nil},
		{at("x", pool.NotSent), history.NotSent, []history.NodeOutcome{{Node: "x", Outcome: history.NotSent}}},
		{at("x", pool.Refused), history.Refused, []history.NodeOutcome{{Node: "x", Outcome: history.Refused}}},
		{at("", pool.NotSent), history.NotSent, nil},
		{write(2, at("x", pool.NotSent)), history.Partial, []history.NodeOutcome{{Node: "x", Outcome: history.NotSent}}},
		{write(0, at("x", pool.NotSent), at("y", pool.NotSent)), history.NotSent, []history.NodeOutcome{
			{Node: "x", Outcome: history.NotSent}, {Node: "y", Outcome: history.NotSent},
		}},
		{write(0, at("x", pool.NotSent), at("y", pool.Ambiguous)), history.Ambiguous, []history.NodeOutcome{
			{Node: "x", Outcome: history.NotSent}, {Node: "y", Outcome: history.Ambiguous},
		}},
		{errors.New("unheard of"), history.Ambiguous, nil},
	} {
		got, nodes := Outcome(row.err)
		require.Equal(t, row.want, got, "%v", row.err)
		require.Equal(t, row.nodes, nodes, "%v", row.err)
	}
}
