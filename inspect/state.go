package inspect

import (
	"fmt"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
)

// State is what state.json says. A node's counters are since this client began to use it, so a reader makes rates of two of
// them.
type State struct {
	Time      time.Time          `json:"time"`
	Kind      string             `json:"kind"` // and what follows: of memcache.Topology
	Local     string             `json:"local,omitempty"`
	LocalBy   string             `json:"localBy,omitempty"`
	Nodes     []Node             `json:"nodes"`
	Loads     memcache.LoadStats `json:"loads"`
	Discovery *Discovery         `json:"discovery,omitempty"` // absent if the nodes are fixed
	Events    []Event            `json:"events"`              // newest first
	Views     []Event            `json:"views"`               // of Events, those of the view: what there was when
	Rules     []Event            `json:"rules"`               // of Events, those of the store of rules
}

// Node is a node's place, its state, and its counters, which are since this client began to use it. pool.Stats says what each
// means; there, Ejections are Suspected, Lost is Broken and Connections are Conns. Connections, Owed and Missed are how many
// there are now.
type Node struct {
	memcache.NodeInfo
	Requests    uint64 `json:"requests"`
	Hits        uint64 `json:"hits"`
	Misses      uint64 `json:"misses"`
	Failovers   uint64 `json:"failovers"`
	Retries     uint64 `json:"retries"`
	Ejections   uint64 `json:"ejections"`
	Dials       uint64 `json:"dials"`
	DialErrors  uint64 `json:"dialErrors"`
	Lost        uint64 `json:"lost"`
	BytesOut    uint64 `json:"bytesOut"`
	BytesIn     uint64 `json:"bytesIn"`
	Connections int    `json:"connections"`
	Owed        int    `json:"owed"`
	Missed      int    `json:"missed"`
	Repaired    uint64 `json:"repaired"`
	Ejected     bool   `json:"ejected"` // requests fail at once
	Slow        bool   `json:"slow"`    // compared with the others: read last
	Recent      int64  `json:"recent"`  // average latency, in microseconds, that Slow goes by; 0: not known
	Step        string `json:"step"`    // a pool.Step, of its way in or out
	Dialect     string `json:"dialect"`
	Generation  string `json:"generation,omitempty"`
	// Latency has a pair for each bucket that is not empty: where it ends, in microseconds, and its count. The last may
	// have no end: -1.
	Latency [][2]int64 `json:"latency"`
}

// Discovery is how the source of the nodes does.
type Discovery struct {
	Failures int     `json:"failures"` // in a row
	Error    string  `json:"error,omitempty"`
	Age      float64 `json:"age"` // seconds that the list has gone unconfirmed
	Changes  uint64  `json:"changes"`
}

// Event is a part of a memcache.Event.
type Event struct {
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`
	Node  string    `json:"node,omitempty"`
	Error string    `json:"error,omitempty"`
	Nodes int       `json:"nodes,omitempty"`
	Local string    `json:"local,omitempty"`
	Rules int       `json:"rules,omitempty"` // of rules_changed: how many applied then
}

// history are the kinds of events that State.Views and State.Rules have.
var history = map[memcache.EventKind]func(*State) *[]Event{
	memcache.ViewChanged:  func(s *State) *[]Event { return &s.Views },
	memcache.ViewRefused:  func(s *State) *[]Event { return &s.Views },
	memcache.RulesChanged: func(s *State) *[]Event { return &s.Rules },
	memcache.RulesRefused: func(s *State) *[]Event { return &s.Rules },
}

func stateOf(c *memcache.Client) State {
	t, stats := c.Topology(), c.Stats()
	s := State{Time: time.Now(), Kind: t.Kind, Local: t.Local, LocalBy: t.LocalBy, Nodes: []Node{}, Loads: stats.Loads,
		Events: []Event{}, Views: []Event{}, Rules: []Event{}}
	places := make(map[string]memcache.NodeInfo, len(t.Nodes))
	for _, n := range t.Nodes {
		places[n.Name] = n
	}
	for i := range stats.Nodes {
		s.Nodes = append(s.Nodes, nodeOf(&stats.Nodes[i], places))
	}
	if d := stats.Discovery; d.LookUps > 0 {
		s.Discovery = &Discovery{Failures: d.Failures, Age: d.Age.Seconds(), Changes: d.Changes}
		if d.Failures > 0 && d.LastErr != nil {
			s.Discovery.Error = d.LastErr.Error()
		}
	}
	events := c.Events()
	for i := len(events) - 1; i >= 0; i-- {
		event := eventOf(events[i])
		s.Events = append(s.Events, event)
		if list := history[events[i].Kind]; list != nil {
			*list(&s) = append(*list(&s), event)
		}
	}
	return s
}

// nodeOf joins what is known of a node. One that has joined between the two snapshots has a state and no place yet.
func nodeOf(s *pool.Stats, places map[string]memcache.NodeInfo) Node {
	info, ok := places[s.Name]
	if !ok {
		info = memcache.NodeInfo{Name: s.Name, Addr: s.Addr, State: s.State.String()}
	}
	n := Node{
		NodeInfo: info, Requests: s.Requests, Hits: s.Hits, Misses: s.Misses, Failovers: s.Failovers, Retries: s.Retries,
		Ejections: s.Suspected, Dials: s.Dials, DialErrors: s.DialErrors, Lost: s.Broken, BytesOut: s.BytesOut, BytesIn: s.BytesIn,
		Connections: s.Conns, Owed: s.Owed, Missed: s.Missed, Repaired: s.Repaired, Dialect: s.Dialect.String(), Latency: [][2]int64{},
		Ejected: s.Ejected, Slow: s.Slow, Recent: s.Recent.Microseconds(), Step: s.Step.String(),
	}
	if s.Generation != 0 {
		n.Generation = fmt.Sprintf("%016x", s.Generation)
	}
	var counted uint64
	for end, count := range s.Latency.All() {
		if counted += count; count > 0 {
			n.Latency = append(n.Latency, [2]int64{end.Microseconds(), int64(count)})
		}
	}
	if rest := s.Latency.Count() - counted; rest > 0 {
		n.Latency = append(n.Latency, [2]int64{-1, int64(rest)})
	}
	return n
}

func eventOf(e memcache.Event) Event {
	event := Event{Time: e.Time, Kind: string(e.Kind), Node: e.Node, Nodes: e.Nodes, Local: e.Local, Rules: e.Rules}
	if e.Err != nil {
		event.Error = e.Err.Error()
	}
	return event
}
