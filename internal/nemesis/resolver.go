package main

import (
	"context"
	"sync"
	"time"
)

// resolveInterval is how often the client asks, and so how soon it follows.
const resolveInterval = 5 * time.Millisecond

// resolver answers with the nodes that the process was last told.
type resolver struct {
	mu      sync.Mutex
	nodes   []string
	fresh   bool          // nodes were not asked for yet
	used    chan struct{} // closed when the client uses nodes
	since   time.Time     // when it was first told of them
	waiting bool          // used is open
}

func newResolver(nodes []string) *resolver {
	return &resolver{nodes: nodes, fresh: true, since: time.Now()}
}

// LookupHost implements memcache.Resolver. The client puts one answer to use before it asks again, so the second question
// shows that it has used the first answer.
func (r *resolver) LookupHost(context.Context, string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.fresh:
		r.fresh, r.since = false, time.Now()
	case r.waiting:
		close(r.used)
		r.waiting = false
	}
	return r.nodes, nil
}

// use returns when the client uses nodes.
func (r *resolver) use(nodes []string) {
	r.mu.Lock()
	r.nodes, r.fresh, r.waiting = nodes, true, true
	used := make(chan struct{})
	r.used = used
	r.mu.Unlock()
	<-used
}

// age returns how long the client has had its view.
func (r *resolver) age() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.since)
}
