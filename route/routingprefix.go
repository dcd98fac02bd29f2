package route

import (
	"context"
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Errors of routing prefixes.
var (
	ErrRoutingPrefix = errors.New(`memcache: routing prefix is not of the form "/region/cluster/"`)
	ErrNoRoute       = errors.New("memcache: no route for the routing prefix of the key")
)

// RoutingPrefixes says how ByRoutingPrefix chooses.
type RoutingPrefixes struct {
	Routes        map[string]Route // by prefix: "/region/cluster/"
	Default       string           // of keys without one; one of Routes
	UnknownToThat bool             // keys with an unknown prefix go to Default too; otherwise they are refused
}

// byRoutingPrefix chooses a child by the "/region/cluster/" before the key.
type byRoutingPrefix struct {
	routes     map[string]Route
	prefixes   []string // of routes, the default first, the others sorted
	unknown    Route    // nil refuses
	background *Background
}

// ByRoutingPrefix sends each op to the route of its key's routing prefix, without the prefix; a key without one goes to
// the default. A prefix with "*" in a part, "/*/*/" or "/east/*/", is a broadcast: the default route, or if it does not
// match the first in the order of prefixes, gives the answer, and the others are served in b. Without b, or with a nil route,
// the error is ErrNoPart.
func ByRoutingPrefix(p RoutingPrefixes, b *Background) (Route, error) {
	r := &byRoutingPrefix{routes: p.Routes, background: b}
	for prefix, route := range p.Routes {
		if err := checkParts(b, route); err != nil {
			return nil, err
		}
		if !isRoutingPrefix(prefix) || strings.Contains(prefix, "*") {
			return nil, ErrRoutingPrefix
		}
		if prefix != p.Default {
			r.prefixes = append(r.prefixes, prefix)
		}
	}
	if p.Routes[p.Default] == nil {
		return nil, ErrNoRoute
	}
	slices.Sort(r.prefixes)
	r.prefixes = slices.Insert(r.prefixes, 0, p.Default)
	if p.UnknownToThat {
		r.unknown = p.Routes[p.Default]
	}
	return r, nil
}

// splitRoutingPrefix splits "/region/cluster/rest". A key that does not begin so has no routing prefix.
func splitRoutingPrefix(key string) (prefix, rest string) {
	if !strings.HasPrefix(key, "/") {
		return "", key
	}
	region := strings.IndexByte(key[1:], '/')
	if region < 1 {
		return "", key
	}
	cluster := strings.IndexByte(key[region+2:], '/')
	if cluster < 1 {
		return "", key
	}
	end := region + cluster + 3
	return key[:end], key[end:]
}

func isRoutingPrefix(s string) bool {
	prefix, rest := splitRoutingPrefix(s)
	return prefix != "" && rest == ""
}

func (r *byRoutingPrefix) Do(ctx context.Context, ops []*Op) {
	rewrite(ctx, ops, func(op *Op) (Route, error) {
		routes, err := r.strip(op)
		if err != nil {
			return nil, err
		}
		for _, other := range routes[1:] {
			r.background.Do(ctx, other, []*Op{op})
		}
		return routes[0], nil
	})
}

// strip takes the routing prefix off op's key and returns the routes that it means, that whose answer counts first.
func (r *byRoutingPrefix) strip(op *Op) ([]Route, error) {
	prefix, rest := splitRoutingPrefix(op.Request.Key)
	setKey(op, rest)
	switch route, known := r.routes[prefix]; {
	case prefix == "":
		return []Route{r.routes[r.prefixes[0]]}, nil
	case known:
		return []Route{route}, nil
	case strings.Contains(prefix, "*"):
		return r.matching(prefix, op)
	case r.unknown != nil:
		return []Route{r.unknown}, nil
	}
	return nil, ErrNoRoute
}

// matching returns the routes whose prefixes match pattern, each once: prefixes may share routes, for this key or at all.
func (r *byRoutingPrefix) matching(pattern string, op *Op) (routes []Route, err error) {
	for _, prefix := range r.prefixes {
		if ok, err := path.Match(pattern, prefix); err != nil || !ok {
			continue // a pattern that cannot be read matches nothing
		}
		if end := resolve(r.routes[prefix], op); !slices.Contains(routes, end) {
			routes = append(routes, end)
		}
	}
	if len(routes) == 0 {
		return nil, ErrNoRoute
	}
	return routes, nil
}

func (r *byRoutingPrefix) Explain(op *Op) Step {
	prefix, _ := splitRoutingPrefix(op.Request.Key)
	s := Step{Route: "by routing prefix", Why: strconv.Quote(prefix)}
	changed := *op
	routes, err := r.strip(&changed)
	if err != nil {
		s.Next = []Step{{Route: "refused", Why: err.Error()}}
		return s
	}
	s.Next = explainAll(routes, &changed)
	return s
}
