package discovery

import (
	"context"
	"maps"
	"slices"
)

// Node is one memcached process and what is known of it.
type Node struct {
	// Name is the node's stable identity: placement hashes it. Two processes place keys alike if their sources give the
	// nodes the same names. Default: Addr, in its canonical spelling.
	Name string
	// Addr is where the node listens: "host:port", "[v6]:port", or the path of a unix socket ("/…", "./…", "../…"), also
	// as "unix:/…" or "unix:///…". Without a port it is 11211.
	Addr string
	// Zone is the node's failure domain; empty if unknown.
	Zone string
	// Weight is the node's share of the keys, relative to the others; 0 means 1.
	Weight float64
	// Meta is what else the source knows. It is shared between copies of the node and must not be changed.
	Meta map[string]string
}

// Source is asked which nodes exist. A list is always complete: it replaces the last one, and a node that it leaves out is
// gone. Beside an error the list is ignored.
//
// Nodes must return when ctx ends; a Follower asks one at a time. An error that is ErrNoNodes says that the source
// answered and knows of no node; any other means that it did not answer, and is asked again less and less often.
type Source interface {
	Nodes(ctx context.Context) ([]Node, error)
}

// Watcher is a Source that says by itself when its list may have changed.
type Watcher interface {
	Source
	// Watch calls yield with the complete list, at first and whenever it may have changed, from one goroutine at a time,
	// until ctx ends or it cannot go on. It is then called again, after a pause that grows while no list comes.
	//
	// yield(nil, err) tells of trouble that does not end the watch. yield(nodes, err) with both is a list to use, a
	// part of which could not be confirmed.
	Watch(ctx context.Context, yield func(nodes []Node, err error)) error
}

// equal compares all that is known of two nodes.
func (n Node) equal(m Node) bool {
	return n.Name == m.Name && n.Addr == m.Addr && n.Zone == m.Zone && n.Weight == m.Weight && maps.Equal(n.Meta, m.Meta)
}

func equalLists(a, b []Node) bool { return slices.EqualFunc(a, b, Node.equal) }
