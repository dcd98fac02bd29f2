package pool

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// Op is one request to one node, and what came of it. It belongs to the caller; a node keeps no reference to it, nor to
// its byte slices, after Do or Wait has returned. An Op serves one call at a time and may be used again.
type Op struct {
	Request protocol.Request
	Hash    uint64 // of the key; picks the connection, so that a key's mutations keep their order
	Dst     []byte // the value of a read is appended here; nil asks for new memory, which small values of a batch share
	Token   Token  // set by a reply; with Compare: that of the read that brought Request.CAS

	// ForUpdate marks a read whose CAS is to be used: it must come from the node where a compare-and-swap takes effect. It
	// is for routes; to a node it means nothing.
	ForUpdate bool

	// WantCAS asks a command that stores for the CAS of what it leaves, where the node's protocol version can tell: Reply.CAS.
	// Else that is 0.
	WantCAS bool

	// Inspect marks a request that asks what the node holds, not what is true: it is answered also where the node is
	// joining or has missed a write of the key. Its value is not for callers.
	Inspect bool

	// Uncounted keeps the request from Config.NewSampler's samplers: a caller has not asked for it, or it is told them by others.
	Uncounted bool

	// Failovers counts the replicas that a route has moved the request on from. Routes add to it and nobody resets it.
	Failovers int

	Reply protocol.Reply // valid if Err is nil; its Key is nil
	Value []byte         // Dst and the value behind it, or the value alone
	Stats []Stat         // of a Stats request
	Node  *Node          // who answered or failed
	// Cleared says that a Set stored nothing, because the node is joining: it has deleted the key instead.
	Cleared bool
	Err     error // *Error, or nil

	phase   phase
	flushes *conn // set between Begin and Flush: the connection whose flusher this op became
	call    *call // set while flying
	conn    *conn // of call
	expires int64 // Node.now at which the try ends
	retried bool
	repairs bool               // of the node's own: works off the journal
	probing bool               // being read again, see mayBeStub
	asked   protocol.MetaFlags // by the caller, while probing
}

// Token says where a CAS comes from. A CAS is one node's count, and starts anew when that node does, so it means nothing
// elsewhere or later. The zero Token is not checked.
type Token struct {
	node       *Node
	conn       uint64
	generation uint64
}

// IsZero reports whether t is the zero Token: no node has answered.
func (t Token) IsZero() bool { return t == Token{} }

// Generation returns a number that stands for the life of the node that t comes from, and whether it is known: with
// Config.Quarantine or Config.Generations. Together with a CAS of t it names one value of one key for ever, in every process.
func (t Token) Generation() (uint64, bool) { return t.generation, t.generation != 0 }

// Stat is one line of the reply to a Stats request.
type Stat struct{ Name, Value string }

// phase says where an op is between Begin and the end of Wait.
type phase uint8

const (
	settled phase = iota // answered or failed
	waiting              // not queued yet: no connection, or no room on it
	flying               // queued; a reply is owed
)

// start makes op ready for a try that ends at expires.
func (op *Op) start(n *Node, expires int64) {
	op.Reply, op.Value, op.Stats, op.Err = protocol.Reply{}, nil, nil, nil
	op.Node, op.phase, op.expires, op.retried = n, waiting, expires, false
	op.probing, op.Cleared = false, false
}

// isCallers reports whether a caller has asked for op, so that it counts for the heat of its key.
// Keys that are Reserved are the library's.
func (op *Op) isCallers() bool {
	return !op.Uncounted && !op.Inspect && !op.repairs && !IsReserved(op.Request.Key)
}

// passesFence reports whether op may find what is old.
func (op *Op) passesFence() bool { return op.repairs || op.Inspect }

func (op *Op) fail(o Outcome, err error) {
	op.phase = settled
	op.Reply, op.Value, op.Stats = protocol.Reply{}, nil, nil // of an earlier try
	op.Err = &Error{Node: op.Node.Name(), Command: op.Request.Command, Outcome: o, Err: err}
}

// over returns why op's try has ended, or nil. The context's error comes first.
func (op *Op) over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if op.Node.now() >= op.expires {
		return ErrTimeout
	}
	return nil
}

// giveUp settles an op whose call was abandoned. What the node does with it is not known, unless it was never written.
func (op *Op) giveUp(err error) {
	op.call, op.conn = nil, nil
	op.fail(Ambiguous, err)
}

// take moves the call's result into op and puts the call back for use.
func (op *Op) take(k *call) {
	n := op.Node
	op.call, op.phase = nil, settled
	if k.err != nil {
		op.fail(k.outcome(), k.err)
		op.noteBroken()
		n.freeCall(k)
		return
	}
	op.Reply, op.Stats, op.Token = k.reply, k.stats, Token{n, op.conn.id, op.conn.generation}
	if op.Reply.Block >= 0 {
		op.Value = op.valueOf(k)
	}
	if k.command == protocol.FlushAll && n.cfg.Quarantine > 0 {
		n.keepMark()
	}
	if op.Cleared = k.command != op.Request.Command; op.Cleared {
		op.Reply = protocol.Reply{Status: protocol.OK, Block: -1}
	}
	n.freeCall(k)
}

// noteBroken has the journal know of a mutation that a broken connection may have carried to the node. One that was not
// sent, and is not sent elsewhere either, is no business of the journal.
func (op *Op) noteBroken() {
	if isJournaled(op.Request.Command) && !op.repairs && op.Err.(*Error).Outcome == Ambiguous {
		op.Node.journal.missed(&op.Request, op.Hash, op.conn.id)
		op.Node.startRepair()
	}
}

// abandon gives op's call up, unless it is answered in this moment. The journal knows of it before: the late reply, which
// takes it out again, may come at once.
func (op *Op) abandon(err error) bool {
	noted := isJournaled(op.Request.Command) && !op.repairs
	if noted && op.Node.journal.givenUp(op, op.conn.id) {
		op.Node.startRepair()
	}
	if !op.call.state.CompareAndSwap(pending, abandoned) {
		if noted {
			op.Node.journal.answered(keyOf(&op.Request))
		}
		return false
	}
	op.giveUp(err)
	return true
}

func (op *Op) valueOf(k *call) []byte {
	if k.given {
		v := k.buf
		k.buf = nil
		return v
	}
	return append(op.Dst, k.buf...)
}

// Settle ends op with what another op, its copy at some node, came to; or, if from is nil, with err. It is for routes that
// send copies of an op; a copy has no Dst.
func (op *Op) Settle(from *Op, err error) {
	op.phase, op.Err = settled, err
	if from == nil {
		op.Reply, op.Value, op.Stats = protocol.Reply{}, nil, nil
		return
	}
	op.Reply, op.Value, op.Stats, op.Node, op.Token = from.Reply, from.Value, from.Stats, from.Node, from.Token
	op.Cleared = from.Cleared
	if op.Dst != nil && op.Reply.Block >= 0 {
		op.Value = append(op.Dst, from.Value...)
	}
}
