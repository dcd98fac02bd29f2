package pool

import (
	"errors"

	"github.com/nohop/memcache/protocol"
)

// check refuses what must not reach the wire.
func (n *Node) check(op *Op) {
	if err := protocol.Check(&op.Request); err != nil {
		op.fail(NotSent, err)
		return
	}
	if len(op.Request.Value) > n.cfg.MaxValue {
		op.fail(NotSent, ErrTooLarge)
	}
}

// again readies a settled op for another try, if it deserves one.
func (n *Node) again(op *Op) bool {
	if op.retried || !op.mayRepeat() && !op.mayBeStub() {
		return false
	}
	if op.mayBeStub() {
		op.Request.Meta |= protocol.ReturnKey
	}
	op.retried, op.Err, op.phase = true, nil, waiting
	n.count.retries.Add(1)
	return true
}

// mayRepeat reports whether a failed op may be sent once more: its connection broke, and either nothing of it was
// written or sending it twice is the same as sending it once. So a node that restarted costs no failed read.
func (op *Op) mayRepeat() bool {
	e, failed := op.Err.(*Error)
	if !failed || !errors.Is(e.Err, ErrBroken) || errors.Is(e.Err, ErrClosed) {
		return false
	}
	return e.Outcome == NotSent || !op.Request.Mutates()
}

// mayBeStub reports whether a classic read brought an empty value from a node that has leases: to classic text the stub
// of a lease looks like an empty item, so the read is repeated as a meta command, which tells them apart.
func (op *Op) mayBeStub() bool {
	return op.Err == nil && op.Request.Command == protocol.Get && op.Reply.Status == protocol.OK &&
		op.Reply.Block == 0 && !op.Request.Has(protocol.ReturnKey) && op.conn != nil && op.conn.dialect.HasMeta()
}
