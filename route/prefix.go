package route

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// byPrefix chooses a child by how the key begins.
type byPrefix struct {
	byFirstByte [256][]prefixRoute // longest first
	fallback    prefixRoute
}

type prefixRoute struct {
	prefix string
	route  Route
}

// ByPrefix sends each op to the route of the longest prefix that its key begins with, else to fallback. The prefix ""
// is every key's, so it stands before fallback.
func ByPrefix(fallback Route, routes map[string]Route) Selector {
	b := &byPrefix{fallback: prefixRoute{"", fallback}}
	for prefix, r := range routes {
		if prefix == "" {
			b.fallback.route = r
			continue
		}
		list := &b.byFirstByte[prefix[0]]
		*list = append(*list, prefixRoute{prefix, r})
	}
	for _, list := range b.byFirstByte {
		slices.SortFunc(list, func(x, y prefixRoute) int { return len(y.prefix) - len(x.prefix) })
	}
	return b
}

func (b *byPrefix) Select(op *Op) Route { return b.find(op.Request.Key).route }

func (b *byPrefix) find(key string) *prefixRoute {
	if key == "" {
		return &b.fallback
	}
	list := b.byFirstByte[key[0]]
	for i := range list {
		if strings.HasPrefix(key, list[i].prefix) {
			return &list[i]
		}
	}
	return &b.fallback
}

func (b *byPrefix) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, b.Select) }

func (b *byPrefix) Explain(op *Op) Step {
	found := b.find(op.Request.Key)
	return Step{Route: "by prefix", Why: "prefix " + strconv.Quote(found.prefix), Next: []Step{Explain(found.route, op)}}
}
