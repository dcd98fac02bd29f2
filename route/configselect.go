package route

import (
	"context"
	"fmt"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// NoPolicyError means that the configuration has no route for an operation, or for the prefix of a key. It is an
// ErrInvalidRequest.
type NoPolicyError struct {
	Operation string // as an OperationSelectorRoute names it: "incr"; "" if it is the key that has no route
}

func (e *NoPolicyError) Error() string {
	if e.Operation == "" {
		return "memcache: the configuration has no route for the prefix of the key"
	}
	return fmt.Sprintf("memcache: the configuration has no policy for %q, and no default policy", e.Operation)
}

// Unwrap returns protocol.ErrInvalidRequest: no node would do better, so nothing fails over.
func (e *NoPolicyError) Unwrap() error { return protocol.ErrInvalidRequest }

// noPolicy refuses what has no route.
type noPolicy struct{ byKey bool }

func (n *noPolicy) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		refuse(op, n.errorOf(op))
	}
}

func (n *noPolicy) errorOf(op *Op) error {
	if n.byKey {
		return &NoPolicyError{}
	}
	return &NoPolicyError{policyName(OperationOf(op))}
}

func (n *noPolicy) Explain(op *Op) Step { return Step{Route: "refused", Why: n.errorOf(op).Error()} }

// policies are mcrouter's names of operations.
var policies = map[string]protocol.Command{
	"get": protocol.Get, "gets": GetForUpdate, "gat": protocol.GetAndTouch, "gats": protocol.GetAndTouch,
	"set": protocol.Set, "add": protocol.Add, "replace": protocol.Replace, "append": protocol.Append,
	"prepend": protocol.Prepend, "cas": CompareAndSwap, "delete": protocol.Delete, "touch": protocol.Touch,
	"incr": protocol.Increment, "decr": protocol.Decrement, "metaget": protocol.Debug,
}

// policyName returns mcrouter's name of an operation.
func policyName(c protocol.Command) string {
	if c == protocol.GetAndTouch {
		return "gat"
	}
	for name, operation := range policies {
		if operation == c {
			return name
		}
	}
	return operationName(c)
}

// otherPolicies are operations of mcrouter that do not come by here, and why.
var otherPolicies = map[string]string{
	"lease-get": "a lease is taken by a get",
	"lease-set": "what a lease is for is stored by a cas or set",
	"lease_get": "a lease is taken by a get",
	"lease_set": "what a lease is for is stored by a cas or set",
	"flushall":  "it goes to every node, whatever the routes",
	"flushre":   "memcached has no such command",
	"stats":     "it goes to every node, whatever the routes",
	"version":   "it goes to every node, whatever the routes",
	"exec":      "memcached has no such command",
	"quit":      "connections are closed by the client",
	"shutdown":  "connections are closed by the client",
	"goaway":    "memcached has no such command",
}

// buildOperationSelector sends each operation to a route of its own.
func buildOperationSelector(o *configOptions) (Route, error) {
	routes := make(map[protocol.Command]Route)
	rest := operations(allOperations)
	v := o.ofKind("operation_policies", o.get("operation_policies"), mcjson.Object)
	if v != nil {
		for _, m := range v.Members {
			o.policy(m, routes)
		}
	}
	for c := range routes {
		rest &^= operationsOf(c)
	}
	fallback := o.fallback(rest, v != nil)
	for _, c := range []protocol.Command{CompareAndSwap, GetForUpdate} { // set and get do not stand in for them
		if routes[c] == nil {
			routes[c] = fallback
		}
	}
	return ByOperation(fallback, routes), nil
}

// policy adds the route of one operation.
func (o *configOptions) policy(m mcjson.Member, routes map[protocol.Command]Route) {
	c, known := policies[m.Name]
	why := otherPolicies[m.Name]
	switch {
	case known && routes[c] == nil:
		routes[c] = o.childOf(m.Value, operationsOf(c))
	case known: // gat and gats
		if r := o.childOf(m.Value, 0); r != routes[c] {
			o.reader.warn(m.Pos, "gat and gats are the same here: the policy that comes first counts")
		}
	case why != "":
		o.childOf(m.Value, 0)
		o.reader.warn(m.Pos, "the policy for %q has no effect here: %s", m.Name, why)
	default:
		o.failAt(m, "unknown operation %q", m.Name)
	}
}

// failAt notes a mistake in the name of a member.
func (o *configOptions) failAt(m mcjson.Member, format string, args ...any) {
	o.fail(m.NameValue(), format, args...)
}

// fallback is "default_policy"; what has neither that nor a policy of its own is refused.
func (o *configOptions) fallback(ops operations, hasPolicies bool) Route {
	v := o.get("default_policy")
	switch {
	case v != nil:
		return o.childOf(v, ops)
	case !hasPolicies:
		o.fail(o.at, `%s needs "default_policy" or policies`, o.kind)
	}
	return &noPolicy{}
}

// buildRoutingGroup sends each group of operations to a route of its own.
func buildRoutingGroup(o *configOptions) (Route, error) {
	var g Groups
	groups := map[string]struct {
		route   *Route
		members []protocol.Command
	}{
		"get_like": {&g.Get, getGroup}, "update_like": {&g.Update, updateGroup},
		"delete_like": {&g.Delete, deleteGroup}, "arithmetic_like": {&g.Arithmetic, arithmeticGroup},
	}
	rest := operations(allOperations)
	v := o.ofKind("routing_group_policies", o.get("routing_group_policies"), mcjson.Object)
	if v != nil {
		for _, m := range v.Members {
			group, ok := groups[m.Name]
			if !ok {
				o.failAt(m, "unknown routing group %q", m.Name)
				continue
			}
			*group.route = o.childOf(m.Value, operationsOf(group.members...))
			rest &^= operationsOf(group.members...)
		}
	}
	return ByGroup(o.fallback(rest, v != nil), g), nil
}

// topRoute builds "route", or one of "routes", where a PrefixSelectorRoute may stand.
func (r *configReader) topRoute(v *mcjson.Value) (*handle, error) {
	if kind := v.Get("type"); kind == nil || kind.Kind != mcjson.String || kind.Str != "PrefixSelectorRoute" {
		return r.one(v)
	}
	o := &configOptions{
		reader: r, kind: "PrefixSelectorRoute", at: v.Get("type"), from: []*mcjson.Value{v}, self: &handle{},
		seen: map[string]bool{"type": true, "name": true},
	}
	o.self.route = o.prefixSelector()
	if o.err != nil {
		return nil, o.err
	}
	o.warnUnread()
	return o.self, r.finish(o.self, o)
}

// prefixSelector sends each key to the route of its longest prefix.
func (o *configOptions) prefixSelector() Route {
	routes := make(map[string]Route)
	prefixes := o.ofKind("policies", o.get("policies"), mcjson.Object)
	wildcard := o.get("wildcard")
	if prefixes == nil && wildcard == nil {
		o.fail(o.at, `PrefixSelectorRoute needs "policies" or "wildcard"`)
		return nil
	}
	if prefixes != nil {
		for _, m := range prefixes.Members {
			routes[m.Name] = o.childOf(m.Value, allOperations)
		}
	}
	if wildcard == nil {
		return ByPrefix(&noPolicy{byKey: true}, routes)
	}
	return ByPrefix(o.childOf(wildcard, allOperations), routes)
}
