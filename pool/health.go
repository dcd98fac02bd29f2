package pool

import "sync/atomic"

// health is what the node's own traffic says of it. A node is suspect after it was silent for the length of a try while
// it owed replies, and until it answers something, on any connection, or the silent connection is gone.
type health struct {
	suspected atomic.Pointer[downError]
}

// downError is ErrNodeDown with what the node did to deserve it.
type downError struct {
	cause error
	conn  uint64 // id of the silent connection; 0: a dial failed
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

// suspect makes the node's callers fail at once until it answers. c owes replies and is read, so that the answer will be
// heard.
func (n *Node) suspect(c *conn, cause error) {
	if n.health.suspected.CompareAndSwap(nil, &downError{cause, c.id}) {
		n.count.suspected.Add(1)
		n.tell(Event{Kind: Ejected, Err: cause})
	}
}

// alive readmits the node: it has answered.
func (n *Node) alive() {
	if n.health.suspected.Load() != nil {
		if n.health.suspected.Swap(nil) != nil {
			n.tell(Event{Kind: Readmitted})
		}
	}
}

// lost notes that a connection broke. A suspicion ends with it: what is known of the node now is what a dial says.
func (n *Node) lost(c *conn, err error) {
	if e := n.health.suspected.Load(); e != nil && e.conn == c.id {
		n.health.suspected.CompareAndSwap(e, nil)
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
