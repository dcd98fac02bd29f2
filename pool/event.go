package pool

import "time"

// EventKind says what has happened to a node.
type EventKind uint8

// The kinds of events.
const (
	Dialed      EventKind = iota + 1 // a connection stands
	DialFailed                       // Err says why
	Lost                             // a connection broke; Err says why
	Ejected                          // the node is suspect: its callers fail at once, unless too many nodes are. Err says why
	Readmitted                       // a suspect node has answered
	MissedWrite                      // the first key of a row that the node may have missed a write of: it is not read there
	Repaired                         // the node has forgotten all keys whose writes it may have missed
	Renewed                          // the node's generation is another one than before: it was restarted, or flushed
)

var eventNames = [...]string{"", "dialed", "dial failed", "connection lost", "ejected", "readmitted", "missed write", "repaired", "new generation"}

// String returns the kind in a word or two.
func (k EventKind) String() string { return eventNames[k] }

// Event is something that has happened to a node.
type Event struct {
	Kind EventKind
	Node string
	Err  error
	Took time.Duration // of Dialed and DialFailed: since the dial began
}

// tell calls Config.OnEvent. The caller may hold any lock.
func (n *Node) tell(e Event) {
	if n.cfg.OnEvent != nil {
		e.Node = n.cfg.Name
		n.cfg.OnEvent(e)
	}
}
