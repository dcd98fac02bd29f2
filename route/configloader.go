package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// configLoader builds the routes of one configuration.
type configLoader struct {
	root *mcjson.Value
	env  *ConfigEnv

	nodes    map[Server]Route
	servers  []Server
	warnings []Warning
	warned   map[string]bool

	named map[string]*namedHandle
	pools map[string]*configPool

	operations []protocol.Command // that reach what is being built; nil: all
	known      map[string]bool    // the sets of children that have a home, as the build before found
	homes      map[string]bool    // as this one finds
}

// namedHandle is a handle that others refer to by its name.
type namedHandle struct {
	value    *mcjson.Value
	building bool
	route    Route
	homes    []string // sets of children inside, which have a home if a read-modify-write comes by
}

// configChild is a child with the name that placement knows it by.
type configChild struct {
	route Route
	name  string // "" if nothing names it
	place string
}

func newConfigLoader(root *mcjson.Value, env *ConfigEnv, known map[string]bool) *configLoader {
	return &configLoader{
		root: root, env: env, known: known, homes: map[string]bool{}, nodes: map[Server]Route{}, warned: map[string]bool{},
		named: map[string]*namedHandle{}, pools: map[string]*configPool{},
	}
}

func quoted(s string) string { return strconv.Quote(s) }

func (l *configLoader) warn(place, text string) {
	if w := (Warning{place, text}); !l.warned[w.String()] {
		l.warned[w.String()] = true
		l.warnings = append(l.warnings, w)
	}
}

// load builds the whole.
func (l *configLoader) load() (Route, error) {
	o := l.options(l.root, "the configuration")
	if err := l.findPools(o.get("pools")); err != nil {
		return nil, err
	}
	l.findNamed(l.root)
	if err := l.findHandles(o.get("named_handles")); err != nil {
		return nil, err
	}
	single, several := o.get("route"), o.get("routes")
	o.finish()
	switch {
	case single != nil && several != nil:
		return nil, several.Errorf(`a configuration has "route" or "routes", not both`)
	case several != nil:
		return l.aliases(several)
	case single != nil:
		return l.route(single)
	}
	return nil, l.root.Errorf(`a configuration needs "route" or "routes"`)
}

// findNamed notes all handles with a name, wherever they are, so that others may refer to them from before.
func (l *configLoader) findNamed(v *mcjson.Value) {
	for _, item := range v.Items {
		l.findNamed(item)
	}
	for _, m := range v.Members {
		if v == l.root && m.Name == "pools" {
			continue
		}
		l.findNamed(m.Value)
	}
	name, kind := v.Get("name"), v.Get("type")
	if name != nil && kind != nil && name.Kind == mcjson.String && kind.Kind == mcjson.String && l.named[name.Str] == nil {
		l.named[name.Str] = &namedHandle{value: v}
	}
}

// findHandles takes the handles that stand apart: a list of objects with names, or an object by name.
func (l *configLoader) findHandles(v *mcjson.Value) error {
	switch {
	case v == nil || v.Kind == mcjson.Array: // found by their names already
		return nil
	case v.Kind != mcjson.Object:
		return v.Errorf(`"named_handles" must be a list or an object`)
	}
	for _, m := range v.Members {
		l.named[m.Name] = &namedHandle{value: m.Value}
	}
	return nil
}

// aliases builds "routes": a list of routes with routing prefixes, or an object of routes by prefix.
func (l *configLoader) aliases(v *mcjson.Value) (Route, error) {
	p := RoutingPrefixes{Routes: map[string]Route{}}
	add := func(prefix string, at *mcjson.Value, r Route) error {
		if !isRoutingPrefix(prefix) || strings.Contains(prefix, "*") {
			return at.Errorf("%q is no routing prefix of the form \"/region/cluster/\"", prefix)
		}
		if p.Routes[prefix] != nil {
			return at.Errorf("routing prefix %q is there twice", prefix)
		}
		if p.Default == "" {
			p.Default = prefix
		}
		p.Routes[prefix] = r
		return nil
	}
	if err := l.eachAlias(v, add); err != nil {
		return nil, err
	}
	if p.Default == "" {
		return nil, v.Errorf(`"routes" is empty`)
	}
	r, err := ByRoutingPrefix(p, l.env.Background)
	return r, at(v, err)
}

func (l *configLoader) eachAlias(v *mcjson.Value, add func(string, *mcjson.Value, Route) error) error {
	for _, m := range v.Members {
		r, err := l.route(m.Value)
		if err == nil {
			err = add(m.Name, m.Value, r)
		}
		if err != nil {
			return err
		}
	}
	for _, item := range v.Items {
		o := l.options(item, "routes")
		names, err := o.require("aliases")
		if err != nil {
			return err
		}
		prefixes, err := stringsOf(names, "aliases")
		if err != nil {
			return err
		}
		r, err := o.route("route")
		if err != nil {
			return err
		}
		o.finish()
		for _, prefix := range prefixes {
			if err := add(prefix, names, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// at gives an error of a constructor the place of what it was made of.
func at(v *mcjson.Value, err error) error {
	var placed *mcjson.Error
	if err == nil || errors.As(err, &placed) {
		return err
	}
	wrapped := v.Errorf("%s", strings.TrimPrefix(err.Error(), "memcache: "))
	if errors.As(wrapped, &placed) {
		placed.Err = err
	}
	return wrapped
}

// route builds one route.
func (l *configLoader) route(v *mcjson.Value) (Route, error) {
	switch v.Kind {
	case mcjson.Null:
		return Null(), nil
	case mcjson.String:
		return l.text(v)
	case mcjson.Object:
		return l.object(v)
	}
	return nil, v.Errorf("a route is an object or a string, not %s", v.Kind)
}

// object builds a route that is an object, once if it has a name.
func (l *configLoader) object(v *mcjson.Value) (Route, error) {
	if name := v.Get("name"); name != nil && name.Kind == mcjson.String {
		if h := l.named[name.Str]; h != nil {
			if h.value != v && h.value.Pos != v.Pos {
				return nil, name.Errorf("another handle has the name %q", name.Str)
			}
			return l.reference(v, h)
		}
	}
	return l.make(v)
}

// reference returns a named handle, which is built when it is first met.
func (l *configLoader) reference(from *mcjson.Value, h *namedHandle) (Route, error) {
	switch {
	case h.building:
		return nil, from.Errorf("a handle contains itself")
	case h.route != nil:
		for _, key := range h.homes {
			l.noteHome(key)
		}
		return h.route, nil
	}
	h.building = true
	defer func() { h.building = false }()
	var err error
	if h.value.Kind == mcjson.Object {
		h.route, err = l.make(h.value)
	} else {
		h.route, err = l.route(h.value)
	}
	return h.route, err
}

// make builds an object by its type.
func (l *configLoader) make(v *mcjson.Value) (Route, error) {
	kind := v.Get("type")
	if kind == nil || kind.Kind != mcjson.String {
		return nil, v.Errorf(`a route needs a "type"`)
	}
	o := l.options(v, kind.Str)
	r, err := l.build(kind, o)
	if err == nil {
		o.finish()
	}
	return r, at(v, err)
}

func (l *configLoader) build(at *mcjson.Value, o *configOptions) (Route, error) {
	if f, ok := handleTable[o.kind]; ok {
		return f(o)
	}
	if why, ok := unsupported[o.kind]; ok {
		return nil, at.Errorf("%s is not supported: %s", o.kind, why)
	}
	return nil, at.Errorf("there is no handle of type %q", o.kind)
}

// text builds a route that is a string: a name, or "Type|rest".
func (l *configLoader) text(v *mcjson.Value) (Route, error) {
	if h := l.named[v.Str]; h != nil {
		return l.reference(v, h)
	}
	kind, rest, found := strings.Cut(v.Str, "|")
	o := l.options(v, kind)
	if found {
		arg := *v
		arg.Str = rest
		o.arg = &arg
	}
	if !found {
		if _, ok := handleTable[kind]; !ok {
			return nil, v.Errorf("there is no handle with the name %q", kind)
		}
	}
	r, err := l.build(v, o)
	return r, at(v, err)
}

// children builds a list of routes. A pool in it, "Pool|A", stands for its servers.
func (l *configLoader) children(v *mcjson.Value) (list []configChild, err error) {
	if pool, err := l.poolOf(v); pool != nil || err != nil {
		return pool, err
	}
	if v.Kind != mcjson.Array {
		r, err := l.route(v)
		return []configChild{{r, childName(v), v.Pos.String()}}, err
	}
	for _, item := range v.Items {
		more, err := l.children(item)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// childName is what placement knows a child by: its name, its pool, or what is written.
func childName(v *mcjson.Value) string {
	if v.Kind == mcjson.String {
		return v.Str
	}
	for _, member := range []string{"name", "pool"} {
		if name := v.Get(member); name != nil && name.Kind == mcjson.String {
			return name.Str
		}
	}
	return ""
}

// routesOf returns the routes of children.
func routesOf(list []configChild) (routes []Route) {
	for _, c := range list {
		routes = append(routes, c.route)
	}
	return routes
}

// childNames returns a name for each child, all different: those without a name, or with one that is there already, are known
// by their position.
func childNames(list []configChild) []string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.name
		if c.name == "" || slices.Contains(names[:i], c.name) {
			names[i] = fmt.Sprintf("#%d", i)
		}
	}
	return names
}

// setOf names a set of children, whatever their order.
func setOf(list []configChild) string {
	var names []string
	for _, c := range list {
		names = append(names, cmp.Or(c.name, c.place))
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

// replicated places every key on all children; its home is found by rendezvous over their names, so that every host has
// the same one whatever the order of its list.
func (l *configLoader) replicated(list []configChild) (Placement, error) {
	names := childNames(list)
	members := make([]Member, len(list))
	for i, c := range list {
		members[i] = Member{Route: c.route, Name: names[i]}
	}
	return NewSlots(members, len(members), "")
}

// writes notes that children are written together, so that they have a home if read-modify-writes come here.
func (l *configLoader) writes(list []configChild) {
	key := setOf(list)
	for _, h := range l.named {
		if h.building {
			h.homes = append(h.homes, key)
		}
	}
	l.noteHome(key)
}

func (l *configLoader) noteHome(key string) {
	if l.operations == nil || slices.ContainsFunc(l.operations, func(c protocol.Command) bool { return decidedByItem[c] }) {
		l.homes[key] = true
	}
}

// reads has r, which reads children one by one in an order of its own, ask the home for what it misses, if the children
// have one.
func (l *configLoader) reads(list []configChild, r Route) (Route, error) {
	if !l.known[setOf(list)] {
		return r, nil
	}
	p, err := l.replicated(list)
	if err != nil {
		return nil, err
	}
	return AskHome(r, p), nil
}
