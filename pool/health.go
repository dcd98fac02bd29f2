package pool

import "sync/atomic"

// health is what the node's own traffic says of it. A node is suspect after it was silent for the length of a try while
// it owed replies, and until it answers something, on any connection.
type health struct {
	suspected atomic.Pointer[downError]
}

// downError is ErrNodeDown with what the node did to deserve it.
type downError struct{ cause error }

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

// suspect makes the node's callers fail at once until it answers.
func (n *Node) suspect(cause error) {
	if n.health.suspected.CompareAndSwap(nil, &downError{cause}) {
		n.count.suspected.Add(1)
	}
}

// alive readmits the node: it has answered.
func (n *Node) alive() {
	if n.health.suspected.Load() != nil {
		n.health.suspected.Store(nil)
	}
}

// lost notes that a connection broke.
func (n *Node) lost(c *conn, err error) {
	for i := range n.streams {
		n.streams[i].CompareAndSwap(c, nil)
	}
	if err != ErrClosed {
		n.count.broken.Add(1)
	}
}
