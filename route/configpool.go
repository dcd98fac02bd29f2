package route

import (
	"github.com/nohop/memcache/route/internal/mcjson"
)

// configPool is one pool, read when it is first used.
type configPool struct {
	name    string
	from    []*mcjson.Value // where its options stand: its own object, and those it inherits from
	ready   bool
	reading bool
	handles []*handle
	hash    hashSettings
	isNull  bool // it is empty, and that is meant
}

// addPool makes a pool known.
func (r *configReader) addPool(name string, v *mcjson.Value) error {
	if v.Kind != mcjson.Object {
		return v.Errorf("pool %q is %s, want object", name, v.Kind)
	}
	r.pools[name] = &configPool{name: name, from: []*mcjson.Value{v}}
	return nil
}

// pool returns the pool that an option names, or that it is.
func (o *configOptions) pool(name string) *configPool { return o.poolAt(o.need(name)) }

func (o *configOptions) poolAt(v *mcjson.Value) *configPool {
	if v == nil || o.err != nil {
		return nil
	}
	known, err := o.reader.poolOf(v)
	if err == nil {
		err = o.reader.readPool(known, v)
	}
	if err != nil {
		o.failWith(v, err)
		return nil
	}
	return known
}

// poolOf finds a pool by name; a pool that is written out is known from then on.
func (r *configReader) poolOf(v *mcjson.Value) (*configPool, error) {
	switch v.Kind {
	case mcjson.String:
		if p := r.pools[v.Str]; p != nil {
			return p, nil
		}
		return nil, v.Errorf("there is no pool %q", v.Str)
	case mcjson.Object:
		return r.poolWrittenOut(v)
	}
	return nil, v.Errorf("a pool is %s, want its name or an object", v.Kind)
}

func (r *configReader) poolWrittenOut(v *mcjson.Value) (*configPool, error) {
	name := v.Get("name")
	if name == nil || name.Kind != mcjson.String {
		return nil, v.Errorf(`a pool that is written out needs a "name"`)
	}
	known := r.pools[name.Str]
	if known == nil {
		err := r.addPool(name.Str, v)
		return r.pools[name.Str], err
	}
	if first := known.from[0]; v.Get("servers") != nil && first != v && !sameValue(first, v) {
		r.warn(v.Pos, "pool %q is defined otherwise at %v; as in mcrouter, the first counts", name.Str, first.Pos)
	}
	return known, nil
}

// readPool reads a pool that at refers to, unless it was.
func (r *configReader) readPool(p *configPool, at *mcjson.Value) error {
	if p.ready {
		return nil
	}
	if p.reading {
		return at.Errorf("pool %q contains itself", p.name)
	}
	p.reading = true
	defer func(outer *keyPartOf) { r.part = outer }(r.part)
	r.part = nil // a handle among the servers is the same wherever the pool is used
	if err := r.inherit(p); err != nil {
		return err
	}
	o := &configOptions{
		reader: r, kind: "pool", at: p.from[0], from: p.from, self: &handle{},
		seen: map[string]bool{"type": true, "name": true, "inherit": true},
	}
	p.readOptions(o)
	if o.err != nil {
		return o.err
	}
	o.warnUnread()
	p.ready, p.reading = true, false
	return nil
}

// inherit adds the objects of the pools that p inherits from: what they say counts where p says nothing.
func (r *configReader) inherit(p *configPool) error {
	seen := map[string]bool{p.name: true}
	for last := p.from[0]; last.Get("inherit") != nil; last = p.from[len(p.from)-1] {
		from := last.Get("inherit")
		switch {
		case from.Kind != mcjson.String:
			return from.Errorf(`"inherit" is %s, want string`, from.Kind)
		case r.pools[from.Str] == nil:
			return from.Errorf("there is no pool %q", from.Str)
		case seen[from.Str]:
			return from.Errorf("pool %q inherits from itself", from.Str)
		}
		seen[from.Str] = true
		p.from = append(p.from, r.pools[from.Str].from[0])
	}
	return nil
}

func (p *configPool) readOptions(o *configOptions) {
	servers := o.ofKind("servers", o.need("servers"), mcjson.Array)
	d := o.serverDefaults()
	onEmpty := o.get("error_on_empty")
	p.isNull = o.ofKind("error_on_empty", onEmpty, mcjson.Bool) != nil && !onEmpty.Bool
	if o.err != nil {
		return
	}
	p.hash = hashSettings{
		weights: o.numbers("weights"), weightsAt: o.get("weights"), tags: o.texts("tags"), tagsAt: o.get("tags"), at: o.at,
	}
	if p.hash.weightsAt != nil {
		p.hash.function = "WeightedCh3"
	}
	if n := len(servers.Items); n == 0 && !p.isNull {
		o.fail(servers, "pool %q is empty", p.name)
	} else if n > maxListLength {
		o.fail(servers, "pool %q has more than %d servers", p.name, maxListLength)
	}
	for _, v := range servers.Items {
		p.addServer(o, v, d)
	}
}

// addServer adds a server, or the handle that stands in its place.
func (p *configPool) addServer(o *configOptions, v *mcjson.Value, d serverDefaults) {
	var h *handle
	var err error
	switch {
	case o.err != nil:
		return
	case v.Kind == mcjson.String:
		s := o.server(v, d)
		if o.err != nil {
			return
		}
		h, err = o.reader.servers.handle(s)
	case v.Kind == mcjson.Object:
		h, err = o.reader.one(v)
	default:
		err = v.Errorf("a server is %s, want string or object", v.Kind)
	}
	o.failWith(v, err)
	p.handles = append(p.handles, h)
}

// serverDefaults reads what a pool says about all of its servers.
func (o *configOptions) serverDefaults() (d serverDefaults) {
	d.server.Timeout = o.millis("server_timeout", 1)
	d.port = o.integer("port_override", 0, 1, 65535)
	if v := o.ofKind("protocol", o.get("protocol"), mcjson.String); v != nil {
		o.protocol(v, v.Str)
	}
	if v := o.ofKind("security_mech", o.get("security_mech"), mcjson.String); v != nil {
		o.security(v, v.Str)
	}
	return d
}

// buildPool is "Pool|A", or a pool that is written out: its servers, as a list.
func buildPool(o *configOptions) ([]*handle, error) {
	v := o.need("name")
	if len(o.from) > 0 {
		v = o.from[0]
		o.from = nil // its options are the pool's
	}
	if p := o.poolAt(v); p != nil {
		return p.handles, nil
	}
	return nil, nil
}

// buildPoolRoute is "PoolRoute|A": each key at one of the pool's servers.
func buildPoolRoute(o *configOptions) (Route, error) {
	p := o.pool("pool")
	if p == nil {
		return nil, nil
	}
	o.self.name = p.name
	handles := o.wrapped(p.handles)
	o.self.edges = nil
	for _, h := range handles {
		o.self.edges = append(o.self.edges, edge{h, allOperations})
	}
	made := o.hashed(handles, o.poolHash(p))
	if rates := o.rates(); rates != nil && o.err == nil {
		return RateLimit(made, *rates)
	}
	return made, nil
}

// poolHash returns how a PoolRoute hashes: as its option says, or else as the pool does.
func (o *configOptions) poolHash(p *configPool) hashSettings {
	s := p.hash
	s.pool = p.name
	v := o.get("hash")
	switch {
	case v == nil:
	case v.Kind == mcjson.String:
		s.function, s.at = v.Str, v
	case v.Kind == mcjson.Object:
		hash := o.within("hash", v)
		hash.hashSettings(&s)
		s.options = hash
	default:
		o.fail(v, `"hash" is %s, want string or object`, v.Kind)
	}
	return s
}
