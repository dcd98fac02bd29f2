package route

import (
	"fmt"
	"strings"

	"github.com/nohop/memcache/pool"
)

// Step says what a route would do with an op, and with whose help.
type Step struct {
	Route string `json:"route"`           // what it is: "failover", "all-sync", "node"
	Name  string `json:"name,omitempty"`  // which one: a node's name
	Why   string `json:"why,omitempty"`   // what decides: the slot, the rule, the order
	State string `json:"state,omitempty"` // of a node: "up", "suspect, ejected", "up, slow" (pool.Stats.Condition)
	Next  []Step `json:"next,omitempty"`  // the children that come into question, in the order in which they would be asked
}

// Explainer is a route that can say what it would do with an op. It must not do it: no request is sent, no token taken,
// no counter moved; op's key and hash are as they were when Explain returns.
type Explainer interface {
	Explain(op *Op) Step
}

// Reasoner is a placement that can say why it places op's key where it does.
type Reasoner interface {
	Why(op *Op) string
}

// Explain returns what r would do with op, without sending anything.
func Explain(r Route, op *Op) Step {
	switch r := r.(type) {
	case Explainer:
		return r.Explain(op)
	case *pool.Node:
		stats := r.Stats()
		return Step{Route: "node", Name: r.Name(), State: stats.Condition()}
	}
	return Step{Route: strings.TrimPrefix(fmt.Sprintf("%T", r), "*")}
}

// String returns the step and those below it, one a line.
func (s Step) String() string {
	var b strings.Builder
	s.write(&b, "")
	return b.String()
}

func (s Step) write(b *strings.Builder, indent string) {
	b.WriteString(indent + s.Route)
	if s.Name != "" {
		b.WriteString(" " + s.Name)
	}
	if s.State != "" {
		b.WriteString(" (" + s.State + ")")
	}
	if s.Why != "" {
		b.WriteString(": " + s.Why)
	}
	b.WriteString("\n")
	for _, next := range s.Next {
		next.write(b, indent+"  ")
	}
}

// explainAll explains routes, in their order.
func explainAll(routes []Route, op *Op) (steps []Step) {
	for _, r := range routes {
		steps = append(steps, Explain(r, op))
	}
	return steps
}

// Why returns what p says of its placement of op's key, "" if it says nothing.
func Why(p Placement, op *Op) string {
	if r, ok := p.(Reasoner); ok {
		return r.Why(op)
	}
	return ""
}

// InReadingOrder returns the replicas as they would be read.
func (r Replicas) InReadingOrder() (routes []Route) {
	for i := range r.All {
		routes = append(routes, r.nth(i))
	}
	return routes
}
