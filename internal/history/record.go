package history

import (
	"fmt"
	"math"
	"time"
)

// Time is a moment in nanoseconds of the clock of Now. In a history that was read it counts from the first record.
type Time int64

// Never is the return time of an operation that did not return, and the end of a write that may still take effect.
const Never Time = math.MaxInt64

func (t Time) String() string {
	if t == Never {
		return "never"
	}
	return fmt.Sprintf("%.6fs", time.Duration(t).Seconds())
}

// add is t+d, staying at Never.
func (t Time) add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	return t + Time(d)
}

// Client numbers what has own writes in the sense of I2: one memcache.Client of one process.
type Client uint32

// Value names one write: what it stored, or for a delete, the delete. Zero is no value.
type Value uint64

// Torn is what a read returned if its bytes are no value that Seal made.
const Torn Value = math.MaxUint64

const sequenceBits = 40

// NewValue returns the name of a client's write number sequence, from 1 on. Clients must be below 1<<24 and sequences
// below 1<<40.
func NewValue(c Client, sequence uint64) Value {
	return Value(uint64(c)<<sequenceBits | sequence)
}

func (v Value) String() string {
	switch v {
	case 0:
		return "nothing"
	case Torn:
		return "a torn value"
	}
	return fmt.Sprintf("v%d.%d", v>>sequenceBits, v&(1<<sequenceBits-1))
}

// Command is what an operation asked for.
type Command uint8

// The commands of a history. All but Get are writes.
const (
	Get Command = iota + 1
	Set
	Delete
	Add
	CompareAndSwap
	Load // a value that was made for a key that was missed: from Call to Return it was being made, and perhaps stored later
)

var commandNames = [...]string{"unknown", "get", "set", "delete", "add", "cas", "load"}

func (c Command) String() string { return name(commandNames[:], int(c)) }

// Outcome is what the client said of an operation, and in NodeOutcome of one node.
type Outcome uint8

// The outcomes of an operation.
const (
	OK        Outcome = iota + 1 // a hit, or a write that every replica acknowledged
	Miss                         // the item was not there; of a delete: every replica says so
	NotSent                      // failed, and nothing was sent
	Refused                      // failed, and the nodes said that they did not do it
	Ambiguous                    // failed, and may have been done or be done later
	Partial                      // some replicas acknowledged, others did not
)

var outcomeNames = [...]string{"unknown", "ok", "miss", "not sent", "refused", "ambiguous", "partial"}

func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }

// NodeOutcome is what a write did at one node.
type NodeOutcome struct {
	Node    string
	Outcome Outcome
}

// Op is one operation of one client.
type Op struct {
	Client  Client
	Command Command
	Key     string
	Value   Value // a write's own name; for a read that hit, the write it saw
	Old     Value // CompareAndSwap: what was read before, 0 if not known
	Call    Time  // before the client was called
	Return  Time  // after it returned; Never if it did not
	Outcome Outcome
	Nodes   []NodeOutcome // the replicas that did not acknowledge a write; those not listed did, if the outcome is Partial
	Node    string        // that answered a read; "": not known
	ViewAge time.Duration // how long the client had held its view of the nodes at Call
}

func (o *Op) isRead() bool { return o.Command == Get }

// isHit reports whether o is a read that brought a value.
func (o *Op) isHit() bool { return o.isRead() && o.Outcome == OK }

// isFullyAcked reports whether o is a write that all replicas have taken. A delete that found nothing is one. Of a load
// nobody knows whether it was stored.
func (o *Op) isFullyAcked() bool {
	return !o.isRead() && o.Command != Load && (o.Outcome == OK || o.Command == Delete && o.Outcome == Miss)
}

// hadNoEffect reports whether o is a write that failed for certain.
func (o *Op) hadNoEffect() bool {
	return !o.isRead() && (o.Outcome == NotSent || o.Outcome == Refused || o.Command != Delete && o.Outcome == Miss)
}

func (o *Op) String() string {
	text := fmt.Sprintf("%v - %v client %d %v %s", o.Call, o.Return, o.Client, o.Command, o.Key)
	if o.Value != 0 {
		text += fmt.Sprintf(" %v", o.Value)
	}
	text += ": " + o.Outcome.String()
	for _, n := range o.Nodes {
		text += fmt.Sprintf(", %v at %s", n.Outcome, n.Node)
	}
	if o.Node != "" {
		text += ", answered by " + o.Node
	}
	return text + fmt.Sprintf(" (view %v old)", o.ViewAge.Round(time.Millisecond))
}

// EventKind is what happened to a node or to a client.
type EventKind uint8

// The kinds of events. Start is before the thing began, End after it was done.
const (
	Flush EventKind = iota + 1 // the node has lost all it held: flush_all, restart; with no node, all nodes have
	Join                       // Start: before the first client uses the node; End: after the last one does
	Leave                      // Start: before the first client stops using it; End: after the last one did
	Heal                       // the node can be reached by all clients from End on
	Break                      // from Start on the node may not be reached, until it is healed
	Death                      // Client has ended, without finishing what it owes
	Note                       // for the reader of a report only
)

var eventNames = [...]string{"unknown", "flush", "join", "leave", "heal", "break", "death", "note"}

func (k EventKind) String() string { return name(eventNames[:], int(k)) }

// name returns names[i], names[0] being for what is not known.
func name(names []string, i int) string {
	if i >= len(names) {
		i = 0
	}
	return names[i]
}

// Event is what the runner of a test did, as far as the checks need to know.
type Event struct {
	Kind       EventKind
	Node       string
	Client     Client // of Death
	Start, End Time
	Text       string // in words, for reports
}

func (e *Event) String() string {
	text := fmt.Sprintf("%v - %v %v", e.Start, e.End, e.Kind)
	switch {
	case e.Kind == Death:
		text += fmt.Sprintf(" of client %d", e.Client)
	case e.Kind == Flush && e.Node == "":
		text += " of all nodes"
	case e.Node != "":
		text += " of node " + e.Node
	}
	if e.Text != "" {
		text += ": " + e.Text
	}
	return text
}

// Dump is what one replica holds of one key at the end; Value 0 is nothing.
type Dump struct {
	Node  string
	Key   string
	Value Value
	At    Time // when the node was asked
}

func (d *Dump) String() string {
	return fmt.Sprintf("%v node %s holds %v for %s", d.At, d.Node, d.Value, d.Key)
}

// History is what all processes of a run recorded.
type History struct {
	Ops    []Op
	Events []Event
	Dumps  []Dump
}
