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
	switch {
	case !op.retried && op.mayRepeat():
		op.retried = true
	case op.mayBeStub():
		op.probing, op.asked = true, op.Request.Meta
		op.Request.Meta = probeFlags
	default:
		op.endProbe()
		return false
	}
	op.Err, op.phase = nil, waiting
	n.count.retries.Add(1)
	return true
}

// mayRepeat reports whether a failed op may be sent once more: its connection broke, and either nothing of it was
// written or sending it twice is the same as sending it once. So a node that restarted costs no failed read.
func (op *Op) mayRepeat() bool {
	e, failed := op.Err.(*Error)
	if !failed {
		return false
	}
	if _, down := e.Err.(*downError); down || !errors.Is(e.Err, ErrBroken) || errors.Is(e.Err, ErrClosed) {
		return false
	}
	return e.Outcome == NotSent || !op.Request.Mutates()
}

// probeFlags ask for what a "gets" line returns. The key makes it a meta command.
const probeFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS | protocol.ReturnKey

// mayBeStub reports whether a classic read brought an empty value from a node that has leases: to classic text the stub
// of a lease looks like an empty item (memcached's doc/protocol.txt, "Meta Get", N), so the read is repeated as a meta
// command, which tells them apart.
func (op *Op) mayBeStub() bool {
	return op.Err == nil && op.Request.Command == protocol.Get && op.Reply.Status == protocol.OK &&
		op.Reply.Block == 0 && op.conn != nil && op.conn.dialect.HasMeta() && op.wasLine()
}

// wasLine reports whether the request went as a key of a "gets" line.
func (op *Op) wasLine() bool {
	form, err := protocol.Plan(op.conn.dialect, &op.Request)
	return err == nil && form == protocol.FormLine
}

// endProbe gives the request back as it was, and makes a miss of a stub: an item that some other client holds the lease
// for, and that is not a stale value, has no value yet.
func (op *Op) endProbe() {
	if !op.probing {
		return
	}
	op.probing = false
	op.Request.Meta = op.asked
	if op.Err == nil && op.Reply.Block == 0 && op.Reply.Has(protocol.Busy) && !op.Reply.Has(protocol.Stale) {
		op.Reply, op.Value = protocol.Reply{Status: protocol.Miss, Block: -1}, nil
	}
}
