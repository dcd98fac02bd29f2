package pool

import (
	"sync/atomic"

	"github.com/nohop/memcache/protocol"
)

// health is what the node's own traffic says of it. A node is suspect after it was silent for the length of a try while
// it owed replies, and until it answers something, on any connection, or the silent connection is gone.
type health struct {
	suspected atomic.Pointer[downError]
	ejected   atomic.Bool  // counts towards the node set's limit
	spoke     atomic.Int64 // Node.now when the node, being suspect, has answered: a connection silent since long before is stuck
	nextProbe atomic.Int64 // Node.now
}

// downError is ErrNodeDown with what the node did to deserve it.
type downError struct {
	cause error
	conn  uint64 // id of the silent connection; 0: a dial failed
	read  Error  // what each plain read of the node is told
}

func newDownError(node string, cause error, conn uint64) *downError {
	e := &downError{cause: cause, conn: conn}
	e.read = Error{Node: node, Command: protocol.Get, Outcome: NotSent, Err: e}
	return e
}

func (e *downError) Error() string        { return ErrNodeDown.Error() + ": " + e.cause.Error() }
func (e *downError) Is(target error) bool { return target == ErrNodeDown }
func (e *downError) Unwrap() error        { return e.cause }

func (h *health) isSuspect() bool { return h.suspected.Load() != nil }

// reason returns why the node is suspect, or nil.
func (h *health) reason() error {
	if e := h.suspected.Load(); e != nil {
		return e
	}
	return nil
}

// refusal returns why the node's callers are to fail at once, or nil: it is not suspect, or too many nodes are ejected.
func (n *Node) refusal() error {
	e := n.health.suspected.Load()
	if e == nil || !n.eject() {
		return nil
	}
	if !n.health.isSuspect() { // it has answered meanwhile, and perhaps before it was counted
		n.readmit()
		return nil
	}
	return e
}

// eject counts the node as ejected, unless it is already. False means that too many are. The caller has seen that the node
// is suspect, and looks again afterwards; or it has seen, under the node's lock, that the node is down.
func (n *Node) eject() bool {
	set := n.cfg.NodeSet
	if set == nil || n.health.ejected.Load() {
		return true
	}
	if !set.take() {
		return false
	}
	if !n.health.ejected.CompareAndSwap(false, true) {
		set.giveBack()
	}
	return true
}

// readmit counts the node as ejected no more.
func (n *Node) readmit() {
	if n.health.ejected.Load() && n.health.ejected.CompareAndSwap(true, false) {
		n.cfg.NodeSet.giveBack()
	}
}

// isEjected reports whether callers of the node, which is in that state, fail at once.
func (n *Node) isEjected(s State) bool {
	return s == Down || s == Suspect && (n.cfg.NodeSet == nil || n.health.ejected.Load())
}

// suspect makes the node's callers fail at once until it answers, unless too many nodes are refused already. c owes replies
// and is read, so that the answer will be heard.
func (n *Node) suspect(c *conn, cause error) {
	if n.health.suspected.CompareAndSwap(nil, newDownError(n.Name(), cause, c.id)) {
		n.count.suspected.Add(1)
		n.tell(Event{Kind: Ejected, Err: cause})
		n.refusal()
	}
}

// alive readmits the node: it has answered.
func (n *Node) alive() {
	if n.health.suspected.Load() == nil || n.health.suspected.Swap(nil) == nil {
		return
	}
	n.health.spoke.Store(n.now())
	n.readmit()
	n.tell(Event{Kind: Readmitted})
}

// nothingOwed ends a suspicion against c, which has been answered all that it asked. What it closes: a reader that has read the
// replies and then does not get to run, so that the watch finds them owed in silence; no later answer would readmit the node,
// for nobody asks a suspect one.
func (n *Node) nothingOwed(c *conn) {
	if e := n.health.suspected.Load(); e != nil && e.conn == c.id {
		n.alive()
	}
}

// lost notes that a connection broke. A suspicion ends with it: what is known of the node now is what a dial says.
func (n *Node) lost(c *conn, err error) {
	if e := n.health.suspected.Load(); e != nil && e.conn == c.id && n.health.suspected.CompareAndSwap(e, nil) {
		n.readmit()
	}
	for i := range n.streams {
		n.streams[i].CompareAndSwap(c, nil)
	}
	if err != ErrClosed {
		n.count.broken.Add(1)
		n.tell(Event{Kind: Lost, Err: err})
		n.noteAnswers(c, err)
	}
}
