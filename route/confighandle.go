package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// configReader builds the handles of one configuration.
type configReader struct {
	env      ConfigEnv
	servers  *configServers
	pools    map[string]*configPool
	named    map[string]*mcjson.Value
	made     map[string][]*handle // by name, short form or type
	making   map[string]bool
	sets     map[string]*childSet
	placed   int // children of the sets that have a placement
	ids      map[*handle]int
	homed    map[string]bool // the sets, by key, whose home serves read-modify-writes
	part     *keyPartOf      // under a KeyParseRoute
	depth    int
	warned   map[Warning]bool
	warnings []Warning
}

// handle is a route that was built, and what the reader needs to know of it.
type handle struct {
	route   Route
	name    string // what tells it from others that hold the same keys
	edges   []edge // the children, and which operations may reach them
	set     string // key of the childSet that it works on; "" if there is none
	spreads bool   // it sends stores to all of the set
	size    int    // of the tree
	copies  int    // how often an op goes down the tree below; 0 is once
}

type edge struct {
	to  *handle
	ops operations
}

// The bounds of a tree. mcrouter has none; beyond these a mistake is likelier than a need.
const (
	maxHandleDepth = 250
	maxTreeSize    = 1 << 18
	maxListLength  = 1 << 14
)

func newConfigReader(env ConfigEnv, servers *configServers) *configReader {
	return &configReader{
		env: env, servers: servers,
		pools: make(map[string]*configPool), named: make(map[string]*mcjson.Value),
		made: make(map[string][]*handle), making: make(map[string]bool),
		sets: make(map[string]*childSet), ids: make(map[*handle]int), warned: make(map[Warning]bool),
	}
}

// warn notes a warning with a place, once.
func (r *configReader) warn(at mcjson.Pos, format string, args ...any) {
	w := Warning{at.String(), fmt.Sprintf(format, args...)}
	if !r.warned[w] {
		r.warned[w] = true
		r.warnings = append(r.warnings, w)
	}
}

// one builds the single handle that v stands for.
func (r *configReader) one(v *mcjson.Value) (*handle, error) {
	list, err := r.list(v)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, v.Errorf("one route is wanted here, but these are %d", len(list))
	}
	return list[0], nil
}

// list builds the handles that v stands for: an object, the name of a handle, a short form, or an array of these.
func (r *configReader) list(v *mcjson.Value) (list []*handle, err error) {
	if r.depth++; r.depth > maxHandleDepth {
		return nil, v.Errorf("routes are nested more than %d deep", maxHandleDepth)
	}
	defer func() { r.depth-- }()
	switch v.Kind {
	case mcjson.Array:
		for _, item := range v.Items {
			some, err := r.list(item)
			if err != nil {
				return nil, err
			}
			if list = append(list, some...); len(list) > maxListLength {
				return nil, v.Errorf("a list has more than %d routes", maxListLength)
			}
		}
		return list, nil
	case mcjson.Object:
		return r.object(v)
	case mcjson.String:
		if v.Str == "" { // useful where a macro leaves a route out
			return nil, nil
		}
		return r.reference(v)
	}
	return nil, v.Errorf("a route is %s, want an object, a list or a string", v.Kind)
}

// object builds a handle that is written out. If it has a name, it is built once.
func (r *configReader) object(v *mcjson.Value) ([]*handle, error) {
	name := v.Get("name")
	if name == nil || name.Kind != mcjson.String {
		return r.make(v)
	}
	first := r.named[name.Str]
	if first == nil {
		r.named[name.Str] = v
	} else if first != v && !sameValue(first, v) {
		r.warn(v.Pos, "handle %q is defined otherwise at %v; as in mcrouter, the first counts", name.Str, first.Pos)
	}
	return r.byName(name)
}

// byName builds the named handle that at refers to, or returns it if it is there.
func (r *configReader) byName(at *mcjson.Value) ([]*handle, error) {
	v := r.named[at.Str]
	return r.once(at, func() ([]*handle, error) {
		if v.Kind == mcjson.Object {
			return r.make(v)
		}
		return r.list(v)
	})
}

// once returns what was built under the text of at, or has build build it.
func (r *configReader) once(at *mcjson.Value, build func() ([]*handle, error)) ([]*handle, error) {
	key := at.Str
	if r.part != nil {
		key += "\x00" + r.part.id // the same text is another handle there
	}
	if list, ok := r.made[key]; ok {
		return list, nil
	}
	if r.making[key] {
		return nil, at.Errorf("handle %q contains itself", at.Str)
	}
	r.making[key] = true
	defer delete(r.making, key)
	list, err := build()
	if err != nil {
		return nil, err
	}
	r.made[key] = list
	return list, nil
}

// reference builds what a string stands for: the name of a handle, "Type|argument" or "Type".
func (r *configReader) reference(v *mcjson.Value) ([]*handle, error) {
	if r.named[v.Str] != nil {
		return r.byName(v)
	}
	return r.once(v, func() ([]*handle, error) {
		kind, argument, has := strings.Cut(v.Str, "|")
		o := &configOptions{reader: r, kind: kind, at: v}
		if has {
			o.argument = v.WithText(argument)
		}
		return r.build(o)
	})
}

// make builds an object by its type.
func (r *configReader) make(v *mcjson.Value) ([]*handle, error) {
	kind := v.Get("type")
	switch {
	case kind == nil:
		return nil, v.Errorf(`a route has no "type"`)
	case kind.Kind != mcjson.String:
		return nil, kind.Errorf(`"type" is %s, want string`, kind.Kind)
	}
	if pool := v.Get("pool"); kind.Str == "PoolRoute" && pool != nil && isPlainPoolRoute(v) {
		return r.reference(pool.WithText("PoolRoute|" + pool.Str))
	}
	return r.build(&configOptions{
		reader: r, kind: kind.Str, at: kind, from: []*mcjson.Value{v}, seen: map[string]bool{"type": true, "name": true},
	})
}

// isPlainPoolRoute reports whether v is what the short form says too; then it is the same handle.
func isPlainPoolRoute(v *mcjson.Value) bool {
	return v.Get("pool").Kind == mcjson.String && !slices.ContainsFunc(v.Members, func(m mcjson.Member) bool {
		return m.Name != "type" && m.Name != "name" && m.Name != "pool"
	})
}

// build has the function for the type build the handle, and then looks whether all options were read.
func (r *configReader) build(o *configOptions) ([]*handle, error) {
	t, ok := handleTypes[o.kind]
	if !ok {
		return nil, r.unknownType(o)
	}
	if o.argument != nil && t.short == "" {
		return nil, o.at.Errorf("%s takes no argument after |", o.kind)
	}
	o.short = t.short
	o.self = &handle{}
	list, err := t.build(o)
	if o.err != nil {
		return nil, o.err
	}
	if err != nil {
		return nil, causedAt(o.at, err)
	}
	o.warnUnread()
	for _, h := range list {
		if err := r.finish(h, o); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// unknownType says what is wrong with a type that there is no function for.
func (r *configReader) unknownType(o *configOptions) error {
	switch {
	case unsupportedTypes[o.kind] != "":
		return o.at.Errorf("%s is not here: %s", o.kind, unsupportedTypes[o.kind])
	case r.pools[o.kind] != nil:
		return o.at.Errorf("unknown handle %q; the pool of that name is %q", o.kind, "PoolRoute|"+o.kind)
	}
	return o.at.Errorf("unknown handle %q", o.kind)
}

// finish completes a handle that was built: its name and the size of its tree.
func (r *configReader) finish(h *handle, o *configOptions) error {
	if h.size > 0 {
		return nil // it was there before
	}
	h.size = 1
	for _, e := range h.edges {
		if h.size += max(h.copies, 1) * e.to.size; h.size > maxTreeSize {
			return o.at.Errorf("the tree of routes gets larger than %d routes", maxTreeSize)
		}
	}
	h.name = cmp.Or(h.name, o.givenName(), nameOf(o.kind, h.edges))
	return nil
}

// longestName is up to where a name is what it stands for, rather than a hash of it.
const longestName = 64

// nameOf names a handle by its children, whatever their order.
func nameOf(kind string, children []edge) string {
	names := make([]string, len(children))
	for i, e := range children {
		names[i] = e.to.name
	}
	slices.Sort(names)
	name := kind + "(" + strings.Join(slices.Compact(names), ",") + ")"
	if len(name) > longestName {
		name = fmt.Sprintf("%s#%016x", kind, HashKey(name))
	}
	return name
}

// causedAt is err with a place; err remains the cause.
func causedAt(at *mcjson.Value, err error) error {
	if e, ok := err.(*mcjson.Error); ok {
		return e
	}
	e := at.Errorf("%s", strings.ReplaceAll(err.Error(), "memcache: ", "")).(*mcjson.Error)
	e.Err = err
	return e
}

// sameValue reports whether a and b are written the same.
func sameValue(a, b *mcjson.Value) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || a.Bool != b.Bool || a.Int != b.Int || a.Float != b.Float || a.Str != b.Str {
		return false
	}
	sameMember := func(x, y mcjson.Member) bool { return x.Name == y.Name && sameValue(x.Value, y.Value) }
	return slices.EqualFunc(a.Items, b.Items, sameValue) && slices.EqualFunc(a.Members, b.Members, sameMember)
}
