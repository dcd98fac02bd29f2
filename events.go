package memcache

import (
	"context"
	"sync"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/pool"
)

// EventKind says what has happened. Its text is stable, so that it can be a label of a metric.
type EventKind string

// The kinds of events.
//
// A node that refuses connections, as after a kill -9, is not told of as ejected and readmitted, but by NodeLost,
// NodeDialFailed and, when it is back, NodeDialed. NodeLost, too, ends what NodeEjected has begun, if the silent connection
// breaks. NodeRenewed is told of nodes with a mark ("~m"): where D is not 0 (WithPropagation), or values of hot keys may be
// copied to nodes (WithHotKeyPolicy). WrotePartly is told of every *WriteError; under Available, the default of
// WithWritePolicy, that is a write of a key with several replicas that none has acknowledged.
const (
	NodeDialed      EventKind = "node_dialed"       // a connection stands
	NodeDialFailed  EventKind = "node_dial_failed"  // Err says why
	NodeLost        EventKind = "node_lost"         // a connection broke
	NodeEjected     EventKind = "node_ejected"      // a connected node was silent for too long: its callers fail at once
	NodeReadmitted  EventKind = "node_readmitted"   // it has answered
	NodeMissedWrite EventKind = "node_missed_write" // the first of a row of writes that a node may have missed
	NodeRepaired    EventKind = "node_repaired"     // it has forgotten the keys of all of them
	NodeRenewed     EventKind = "node_renewed"      // a node was restarted, or flushed

	FailedOver  EventKind = "failover"      // a call was served by Node in place of others; told to observers only
	WrotePartly EventKind = "partial_write" // the error of a call is a *WriteError; told to observers only

	ViewChanged     EventKind = "view_changed"     // the nodes, or which of them is local
	ViewRefused     EventKind = "view_refused"     // no view can be made of the nodes there are now; the last one stays
	DiscoveryFailed EventKind = "discovery_failed" // the last list of nodes stays
	DiscoveryBack   EventKind = "discovery_back"   // the source of the nodes answers again

	RulesChanged EventKind = "rules_changed" // the store has other rules
	RulesRefused EventKind = "rules_refused" // the store fails, or rules of it or of options cannot apply, Err says why
	PinMoved     EventKind = "pin_moved"     // a key that a pin moves to Node has come to Step
	NodeUnfit    EventKind = "node_unfit"    // nothing can be done about hot keys of this node, Err says why

	HotKeySourceFailed EventKind = "hot_key_source_failed" // Source does not see all that it should, Err says why
	HotKeySourceBack   EventKind = "hot_key_source_back"   // it does again
)

// Event is something that has happened to a node, or to the view.
type Event struct {
	Kind    EventKind
	Time    time.Time
	Node    string        // name of the node; "" if it is about none
	Err     error         // of what went wrong
	Took    time.Duration // of NodeDialed and NodeDialFailed
	Nodes   int           // of ViewChanged: how many there are
	Local   string        // of ViewChanged: the local node or zone
	Rules   int           // of RulesChanged: how many apply
	Source  string        // of HotKeySourceFailed and HotKeySourceBack: its name
	Step    string        // of PinMoved: a pool.Step, or over
	Dropped int           // events that the observers have missed just before this one, because they were too slow
}

// Sizes of what the client keeps of events.
const (
	recentEvents = 128
	eventBacklog = 1024 // that wait for observers
)

// events keeps the last events and hands them to observers. Adding one never waits.
type events struct {
	mu      sync.Mutex // never held while others are called
	recent  []Event    // ring
	next    int        // in recent, once it is full
	queue   chan Event // nil: nobody observes
	dropped int
}

// add notes an event. It may be called under any lock.
func (e *events) add(event Event) {
	event.Time = time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if event.Kind != FailedOver && event.Kind != WrotePartly {
		e.keep(event)
	}
	if e.queue == nil {
		return
	}
	event.Dropped = e.dropped
	select {
	case e.queue <- event:
		e.dropped = 0
	default:
		e.dropped++
	}
}

func (e *events) keep(event Event) {
	if len(e.recent) < recentEvents {
		e.recent = append(e.recent, event)
		return
	}
	e.recent[e.next] = event
	e.next = (e.next + 1) % recentEvents
}

// list returns the last events, oldest first.
func (e *events) list() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append(append([]Event(nil), e.recent[e.next:]...), e.recent[:e.next]...)
}

// deliver hands events to observers until ctx ends.
func (e *events) deliver(ctx context.Context, observers []Observer) {
	for {
		select {
		case event := <-e.queue:
			for _, o := range observers {
				o.Event(event)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Events returns the last 128 things that have happened to the nodes and the view, oldest first.
func (c *Client) Events() []Event { return c.events.list() }

var nodeEvents = map[pool.EventKind]EventKind{
	pool.Dialed: NodeDialed, pool.DialFailed: NodeDialFailed, pool.Lost: NodeLost, pool.Ejected: NodeEjected,
	pool.Readmitted: NodeReadmitted, pool.MissedWrite: NodeMissedWrite, pool.Repaired: NodeRepaired, pool.Renewed: NodeRenewed,
}

func (c *Client) nodeEvent(e pool.Event) {
	c.events.add(Event{Kind: nodeEvents[e.Kind], Node: e.Node, Err: e.Err, Took: e.Took})
}

// viewEvent tells what has become of the view.
func (c *Client) viewEvent(err error) {
	v := c.view.Load()
	if err != nil {
		c.events.add(Event{Kind: ViewRefused, Err: err})
		return
	}
	c.events.add(Event{Kind: ViewChanged, Nodes: len(v.nodes), Local: v.local.name()})
}

func (c *Client) discoveryEvent(e discovery.Event) {
	kind := DiscoveryFailed
	if e.Err == nil {
		kind = DiscoveryBack
	}
	c.events.add(Event{Kind: kind, Err: e.Err})
}
