package route

import (
	"slices"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// operationNames are the names that operations have in a configuration. One of mcrouter's without operations here is told
// apart in meaninglessOperations.
var operationNames = map[string][]protocol.Command{
	"get": {protocol.Get}, "gets": {GetForUpdate}, "gat": {protocol.GetAndTouch}, "gats": {protocol.GetAndTouch},
	"touch": {protocol.Touch}, "set": {protocol.Set}, "cas": {CompareAndSwap}, "add": {protocol.Add},
	"replace": {protocol.Replace}, "append": {protocol.Append}, "prepend": {protocol.Prepend}, "delete": {protocol.Delete},
	"incr": {protocol.Increment}, "decr": {protocol.Decrement}, "metaget": {protocol.Debug},
}

var meaninglessOperations = map[string]string{
	"lease-get": `leases are taken with "gets"`,
	"lease-set": `leases are filled with "cas"`,
	"lease_get": `leases are taken with "gets"`,
	"lease_set": `leases are filled with "cas"`,
	"stats":     "the client asks every node",
	"version":   "the client asks every node",
	"flushall":  "the client asks every node",
	"flushre":   "memcached has no such command",
	"shutdown":  "the client does not stop servers",
	"quit":      "the client closes its connections by itself",
	"exec":      "memcached has no such command",
	"goaway":    "it is of Facebook's services",
}

// operationSelectorHandle gives each operation the route of its policy. One without a policy, and without a default, is an
// error when it is used, as in mcrouter.
func operationSelectorHandle(o *configOptions) (Route, error) {
	routes := make(map[protocol.Command]Route)
	policies := o.get("operation_policies")
	if policies != nil && policies.Kind != mcjson.Object {
		return nil, policies.Errorf(`"operation_policies" must be an object`)
	}
	if policies != nil {
		if err := o.policies(policies, routes); err != nil {
			return nil, err
		}
	}
	fallback, err := o.defaultPolicy(routes)
	if err != nil {
		return nil, err
	}
	for _, c := range allOperations {
		if routes[c] == nil {
			routes[c] = fallback(c)
		}
	}
	return ByOperation(fallback(protocol.Get), routes), nil
}

func (o *configOptions) policies(v *mcjson.Value, routes map[protocol.Command]Route) error {
	for _, m := range v.Members {
		commands, known := operationNames[m.Name]
		if why, ok := meaninglessOperations[m.Name]; ok {
			o.loader.warn(m.Pos.String(), "a policy for "+quoted(m.Name)+" has no meaning here: "+why)
			continue
		}
		if !known {
			return m.Value.Errorf("there is no operation %q", m.Name)
		}
		r, err := o.loader.routeFor(m.Value, commands)
		if err != nil {
			return err
		}
		for _, c := range commands {
			if routes[c] == nil || m.Name == "gat" {
				routes[c] = r
			}
		}
	}
	return nil
}

// defaultPolicy returns what an operation without a policy gets.
func (o *configOptions) defaultPolicy(taken map[protocol.Command]Route) (func(protocol.Command) Route, error) {
	v := o.get("default_policy")
	if v == nil {
		return func(c protocol.Command) Route { return Error(&NoPolicyError{configName(c)}) }, nil
	}
	var left []protocol.Command
	for _, c := range allOperations {
		if taken[c] == nil {
			left = append(left, c)
		}
	}
	r, err := o.loader.routeFor(v, left)
	return func(protocol.Command) Route { return r }, err
}

// configName is an operation's name in a configuration.
func configName(c protocol.Command) string {
	for _, name := range []string{
		"get", "gets", "gat", "touch", "set", "cas", "add", "replace", "append", "prepend", "delete", "incr", "decr", "metaget",
	} {
		if operationNames[name][0] == c {
			return name
		}
	}
	return operationName(c)
}

// routeFor builds a route that only those operations reach.
func (l *configLoader) routeFor(v *mcjson.Value, operations []protocol.Command) (Route, error) {
	before := l.operations
	defer func() { l.operations = before }()
	reaching := make([]protocol.Command, 0, len(operations)) // not nil: nil is all
	for _, c := range operations {
		if before == nil || slices.Contains(before, c) {
			reaching = append(reaching, c)
		}
	}
	l.operations = reaching
	return l.route(v)
}

// routingGroupHandle gives each group of operations its route; without one, the same error as for operations.
func routingGroupHandle(o *configOptions) (Route, error) {
	routes := make(map[protocol.Command]Route)
	for _, group := range []struct {
		name    string
		members []protocol.Command
	}{
		{"get_like", getGroup}, {"update_like", updateGroup}, {"delete_like", deleteGroup}, {"arithmetic_like", arithmeticGroup},
	} {
		v := o.get(group.name)
		if v == nil {
			continue
		}
		r, err := o.loader.routeFor(v, group.members)
		if err != nil {
			return nil, err
		}
		for _, c := range group.members {
			routes[c] = r
		}
	}
	for _, c := range allOperations {
		if routes[c] == nil {
			routes[c] = Error(&NoPolicyError{configName(c)})
		}
	}
	return ByOperation(routes[protocol.Touch], routes), nil
}

// prefixSelectorHandle chooses by the longest prefix of the key.
func prefixSelectorHandle(o *configOptions) (Route, error) {
	routes := make(map[string]Route)
	fallback := Error(ErrNoRoute)
	if v := o.get("policies"); v != nil {
		if v.Kind != mcjson.Object {
			return nil, v.Errorf(`"policies" must be an object`)
		}
		for _, m := range v.Members {
			r, err := o.loader.route(m.Value)
			if err != nil {
				return nil, err
			}
			routes[m.Name] = r
		}
	}
	if o.get("wildcard") != nil {
		var err error
		if fallback, err = o.route("wildcard"); err != nil {
			return nil, err
		}
	}
	return ByPrefix(fallback, routes), nil
}
