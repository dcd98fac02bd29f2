package route

import (
	"slices"
	"strings"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// read builds the tree of a configuration.
func (r *configReader) read(root *mcjson.Value) (*handle, error) {
	o := &configOptions{
		reader: r, kind: "the configuration", at: root, from: []*mcjson.Value{root}, self: &handle{}, seen: make(map[string]bool),
	}
	if pools := o.ofKind("pools", o.get("pools"), mcjson.Object); pools != nil {
		for _, m := range pools.Members {
			o.failWith(m.Value, r.addPool(m.Name, m.Value))
		}
	}
	o.nameHandles()
	top := o.top()
	if o.err != nil {
		return nil, o.err
	}
	o.warnUnread()
	r.warnUnused(root)
	return top, nil
}

// nameHandles makes the named handles of the configuration known, so that they can be referred to before they come.
func (o *configOptions) nameHandles() {
	v := o.get("named_handles")
	if v != nil {
		switch v.Kind {
		case mcjson.Object:
			o.nameMembers(v)
		case mcjson.Array:
		default:
			o.fail(v, `"named_handles" is %s, want array or object`, v.Kind)
		}
	}
	for _, part := range []*mcjson.Value{v, o.get("route"), o.get("routes"), o.get("pools")} {
		o.reader.findNamed(part)
	}
	if v == nil || v.Kind != mcjson.Array || o.err != nil {
		return
	}
	for _, item := range v.Items { // as in mcrouter, these are built whether they are used or not
		if _, err := o.reader.list(item); err != nil {
			o.err = err
			return
		}
	}
}

// nameMembers takes the names of an object for the names of handles.
func (o *configOptions) nameMembers(v *mcjson.Value) {
	for _, m := range v.Members {
		if name := m.Value.Get("name"); name != nil && (name.Kind != mcjson.String || name.Str != m.Name) {
			o.failAt(m, "handle %q has another name inside", m.Name)
		}
		o.reader.named[m.Name] = m.Value
	}
}

// findNamed notes the handles that have names, in v and in all that is inside it. Of a name that comes twice, the first counts.
func (r *configReader) findNamed(v *mcjson.Value) {
	if v == nil {
		return
	}
	for _, item := range v.Items {
		r.findNamed(item)
	}
	if name := v.Get("name"); name != nil && name.Kind == mcjson.String && v.Get("type") != nil && r.named[name.Str] == nil {
		r.named[name.Str] = v
	}
	for _, m := range v.Members {
		r.findNamed(m.Value)
	}
}

// top builds "route" or "routes".
func (o *configOptions) top() *handle {
	route, routes := o.get("route"), o.get("routes")
	switch {
	case o.err != nil:
		return nil
	case route != nil && routes != nil:
		o.fail(routes, `there is "route" and "routes"; want one of them`)
	case route != nil && o.reader.env.DefaultRoute == "":
		top, err := o.reader.topRoute(route)
		o.failWith(route, err)
		return top
	case route != nil:
		return o.byRoutingPrefix(o.defaultRoute(route, nil), []routeAlias{{o.reader.env.DefaultRoute, route, route}})
	case routes != nil:
		aliases := o.aliases(routes)
		return o.byRoutingPrefix(o.defaultRoute(routes, aliases), aliases)
	default:
		o.fail(o.at, `there is neither "route" nor "routes"`)
	}
	return nil
}

// routeAlias is one routing prefix and what it stands for.
type routeAlias struct {
	prefix string
	at     *mcjson.Value
	route  *mcjson.Value
}

// aliases reads "routes": an object by routing prefix, or a list of routes with their aliases.
func (o *configOptions) aliases(v *mcjson.Value) (list []routeAlias) {
	switch v.Kind {
	case mcjson.Object:
		for _, m := range v.Members {
			list = append(list, routeAlias{m.Name, m.NameValue(), m.Value})
		}
	case mcjson.Array:
		for _, item := range v.Items {
			list = append(list, o.aliasesOf(item)...)
		}
	default:
		o.fail(v, `"routes" is %s, want array or object`, v.Kind)
	}
	return list
}

func (o *configOptions) aliasesOf(item *mcjson.Value) (list []routeAlias) {
	if item.Kind != mcjson.Object {
		o.fail(item, `one of "routes" is %s, want object`, item.Kind)
		return nil
	}
	entry := o.within("routes", item)
	route := entry.need("route")
	entry.need("aliases")
	for _, alias := range entry.array("aliases") {
		if alias.Kind != mcjson.String {
			entry.fail(alias, "an alias is %s, want string", alias.Kind)
			break
		}
		list = append(list, routeAlias{alias.Str, alias, route})
	}
	o.done(entry)
	return list
}

// mcroutersDefault is the default route of an mcrouter that was not told another.
const mcroutersDefault = "/././"

// defaultRoute returns the routing prefix of keys that have none.
func (o *configOptions) defaultRoute(at *mcjson.Value, aliases []routeAlias) string {
	d := o.reader.env.DefaultRoute
	switch {
	case d != "" && !isRoutingPrefix(d):
		o.failWith(at, ErrRoutingPrefix)
	case d != "":
	case len(aliases) == 0:
		o.fail(at, `"routes" is empty`)
	case slices.ContainsFunc(aliases, func(a routeAlias) bool { return a.prefix == mcroutersDefault }):
		return mcroutersDefault
	default:
		if d = aliases[0].prefix; len(aliases) > 1 {
			o.warn(aliases[0].at, "keys without a routing prefix go to the first route, %q; mcrouter is told by --route-prefix", d)
		}
	}
	return d
}

// byRoutingPrefix builds the route of each prefix. Aliases of one entry share theirs.
func (o *configOptions) byRoutingPrefix(byDefault string, aliases []routeAlias) *handle {
	routes := make(map[string]Route)
	built := make(map[*mcjson.Value]*handle)
	for _, a := range aliases {
		if o.err != nil {
			return nil
		}
		if !isRoutingPrefix(a.prefix) || strings.Contains(a.prefix, "*") {
			o.failWith(a.at, ErrRoutingPrefix)
			return nil
		}
		if built[a.route] == nil {
			h, err := o.reader.topRoute(a.route)
			if err != nil {
				o.err = err
				return nil
			}
			built[a.route] = h
			o.self.edges = append(o.self.edges, edge{h, allOperations})
		}
		if routes[a.prefix] != nil {
			o.fail(a.at, "there are two routes for %q", a.prefix)
		}
		routes[a.prefix] = built[a.route].route
	}
	if routes[byDefault] == nil {
		o.fail(o.at, "there is no route for the default routing prefix %q", byDefault)
		return nil
	}
	made, err := ByRoutingPrefix(RoutingPrefixes{Routes: routes, Default: byDefault}, o.reader.env.Background)
	o.failWith(o.at, err)
	o.self.route = made
	if o.err == nil {
		o.err = o.reader.finish(o.self, o)
	}
	return o.self
}

// warnUnused names the pools that no route uses.
func (r *configReader) warnUnused(root *mcjson.Value) {
	pools := root.Get("pools")
	if pools == nil {
		return
	}
	inherited := make(map[string]bool)
	for _, m := range pools.Members {
		if from := m.Value.Get("inherit"); from != nil {
			inherited[from.Str] = true
		}
	}
	for _, m := range pools.Members {
		if !r.pools[m.Name].ready && !inherited[m.Name] {
			r.warn(m.Pos, "pool %q is used by no route", m.Name)
		}
	}
}

// partsOfRoutingPrefix splits "/region/cluster/".
func partsOfRoutingPrefix(prefix string) (region, cluster string, ok bool) {
	if !isRoutingPrefix(prefix) {
		return "", "", false
	}
	parts := strings.Split(prefix, "/")
	return parts[1], parts[2], true
}
