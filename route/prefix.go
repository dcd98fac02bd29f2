package route

import (
	"context"
	"maps"
	"slices"
	"strconv"
)

// byPrefix chooses a child by how the key begins.
type byPrefix struct {
	lengths  []int // of the prefixes, longest first, each once
	routes   map[string]Route
	fallback Route
}

// ByPrefix sends each op to the route of the longest prefix that its key begins with, else to fallback. The prefix ""
// is every key's, so it stands before fallback.
func ByPrefix(fallback Route, routes map[string]Route) Selector {
	b := &byPrefix{routes: maps.Clone(routes), fallback: fallback}
	for prefix := range routes {
		b.lengths = append(b.lengths, len(prefix))
	}
	slices.Sort(b.lengths)
	b.lengths = slices.Compact(b.lengths)
	slices.Reverse(b.lengths)
	return b
}

func (b *byPrefix) Select(op *Op) Route {
	r, _ := b.find(op.Request.Key)
	return r
}

// find returns the route for key, and the prefix that decided.
func (b *byPrefix) find(key string) (Route, string) {
	for _, n := range b.lengths {
		if n > len(key) {
			continue
		}
		if r, ok := b.routes[key[:n]]; ok {
			return r, key[:n]
		}
	}
	return b.fallback, ""
}

func (b *byPrefix) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, b.Select) }

func (b *byPrefix) Explain(op *Op) Step {
	r, prefix := b.find(op.Request.Key)
	why := "no other prefix"
	if prefix != "" {
		why = "prefix " + strconv.Quote(prefix)
	}
	return Step{Route: "by prefix", Why: why, Next: []Step{Explain(r, op)}}
}
