package route

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// configPool is a pool of servers.
type configPool struct {
	value    *mcjson.Value // its definition
	name     string
	building bool
	children []configChild // nil until it is first used
	options  *configOptions
}

// findPools notes the pools; each is read when it is first used.
func (l *configLoader) findPools(v *mcjson.Value) error {
	switch {
	case v == nil:
		return nil
	case v.Kind != mcjson.Object:
		return v.Errorf(`"pools" must be an object`)
	}
	for _, m := range v.Members {
		if m.Value.Kind != mcjson.Object {
			return m.Value.Errorf("pool %q must be an object", m.Name)
		}
		l.pools[m.Name] = &configPool{value: m.Value, name: m.Name}
	}
	return nil
}

// poolOf returns the servers of a pool that stands in a list of children: "Pool|A", {"type": "Pool", "name": "A"}. It
// returns nil for everything else.
func (l *configLoader) poolOf(v *mcjson.Value) ([]configChild, error) {
	name, isPool := strings.CutPrefix(v.Str, "Pool|")
	if v.Kind == mcjson.Object {
		kind, of := v.Get("type"), v.Get("name")
		isPool = kind != nil && kind.Str == "Pool"
		if isPool && (of == nil || of.Kind != mcjson.String) {
			return nil, v.Errorf("a Pool needs a name")
		}
		if isPool {
			name = of.Str
		}
	}
	if !isPool {
		return nil, nil
	}
	pool, err := l.pool(name, v)
	if err != nil {
		return nil, err
	}
	return pool.children, nil
}

// pool returns the pool of that name with its servers.
func (l *configLoader) pool(name string, from *mcjson.Value) (*configPool, error) {
	p := l.pools[name]
	if p == nil {
		return nil, from.Errorf("there is no pool %q", name)
	}
	if p.building {
		return nil, from.Errorf("pool %q inherits from itself", name)
	}
	if p.children == nil {
		p.building = true
		defer func() { p.building = false }()
		if err := l.readPool(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// inlinePool returns a pool that is written where it is used.
func (l *configLoader) inlinePool(v *mcjson.Value) (*configPool, error) {
	p := &configPool{value: v, name: "pool at " + v.Pos.String()}
	if name := v.Get("name"); name != nil && name.Kind == mcjson.String {
		p.name = name.Str
		if known := l.pools[p.name]; known != nil && v.Get("servers") == nil {
			return l.pool(p.name, v)
		}
	}
	return p, l.readPool(p)
}

func (l *configLoader) readPool(p *configPool) error {
	o := l.options(p.value, "pool "+quoted(p.name))
	p.options = o
	inherited, err := l.inherit(o)
	if err != nil {
		return err
	}
	servers := o.get("servers")
	if servers == nil && inherited != nil {
		servers = inherited.value.Get("servers")
	}
	if servers == nil {
		return p.value.Errorf("pool %q needs servers", p.name)
	}
	timeout, err := o.milliseconds("server_timeout")
	if err != nil {
		return err
	}
	o.get("weights") // of the hash that a PoolRoute chooses
	list, err := stringsOf(servers, "servers")
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return servers.Errorf("pool %q is empty", p.name)
	}
	o.finish()
	for i, text := range list {
		child, err := l.server(servers.Items[i], text, timeout)
		if err != nil {
			return err
		}
		p.children = append(p.children, child)
	}
	return nil
}

func (l *configLoader) inherit(o *configOptions) (*configPool, error) {
	v := o.get("inherit")
	if v == nil {
		return nil, nil
	}
	if v.Kind != mcjson.String {
		return nil, v.Errorf(`"inherit" must be the name of a pool`)
	}
	return l.pool(v.Str, v)
}

// server returns the node of a server as mcrouter writes it: host:port, and behind that protocol, security and
// compression, each after a colon.
func (l *configLoader) server(v *mcjson.Value, text string, timeout time.Duration) (configChild, error) {
	addr, rest, err := splitServer(text)
	if err != nil {
		return configChild{}, v.Errorf("server %q: %v", text, err)
	}
	for _, word := range rest {
		switch word {
		case "ascii", "plain", "":
		default:
			return configChild{}, v.Errorf("server %q: %q is not supported; servers speak memcached's text protocol", text, word)
		}
	}
	s := Server{Addr: addr, Timeout: timeout}
	if l.nodes[s] == nil {
		node, err := l.env.Node(s)
		if err != nil {
			return configChild{}, at(v, err)
		}
		l.nodes[s] = node
		l.servers = append(l.servers, s)
	}
	return configChild{l.nodes[s], addr, v.Pos.String()}, nil
}

func splitServer(text string) (addr string, rest []string, err error) {
	host, behind, found := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		host, behind, found = strings.Cut(text[1:], "]:")
	}
	words := strings.Split(behind, ":")
	port, parseErr := strconv.ParseUint(words[0], 10, 16)
	if !found || host == "" || parseErr != nil || port == 0 || strings.ContainsAny(host, " \t\r\n/[]") {
		return "", nil, errServer
	}
	return net.JoinHostPort(host, words[0]), words[1:], nil
}

// errServer names the form of a server.
var errServer = configText(`it is not of the form "host:port" or "[v6]:port"`)

type configText string

func (e configText) Error() string { return string(e) }

// poolRoute builds PoolRoute and what a pool's options put around it.
func poolRoute(o *configOptions) (Route, error) {
	pool, err := o.pool()
	if err != nil {
		return nil, err
	}
	children := pool.children
	if children, err = o.shadowed(children); err != nil {
		return nil, err
	}
	if children, err = o.warmed(children); err != nil {
		return nil, err
	}
	hash, err := o.hash("hash", pool.value)
	if err != nil {
		return nil, err
	}
	r, err := hash.over(children)
	if err != nil {
		return nil, err
	}
	return o.limited(r)
}

// pool returns the pool that a handle names, or that is written in it.
func (o *configOptions) pool() (*configPool, error) {
	if o.arg != nil {
		return o.loader.pool(o.arg.Str, o.arg)
	}
	v, err := o.require("pool")
	switch {
	case err != nil:
		return nil, err
	case v.Kind == mcjson.String:
		return o.loader.pool(v.Str, v)
	case v.Kind == mcjson.Object:
		return o.loader.inlinePool(v)
	}
	return nil, v.Errorf(`"pool" must be the name of a pool, or one`)
}

// limited puts the limits of a pool before r.
func (o *configOptions) limited(r Route) (Route, error) {
	n, err := o.int("max_outstanding", 0, 0, 1<<30)
	if err == nil && n > 0 {
		r, err = OutstandingLimit(r, OutstandingOptions{Max: int(n)})
	}
	if err != nil {
		return nil, err
	}
	rates, err := o.sub("rates")
	if err != nil || rates == nil {
		return r, err
	}
	return rates.rateLimit(r, nil)
}

func (o *configOptions) rateLimit(r, over Route) (Route, error) {
	limits := RateLimitOptions{Over: over}
	for name, rate := range map[string]*Rate{"gets": &limits.Gets, "sets": &limits.Sets, "deletes": &limits.Deletes} {
		var err error
		if rate.PerSecond, err = o.float(name+"_rate", 0, 0, 1e12); err != nil {
			return nil, err
		}
		if rate.Burst, err = o.float(name+"_burst", 0, 0, 1e12); err != nil {
			return nil, err
		}
	}
	o.finish()
	limited, err := RateLimit(r, limits)
	return limited, at(o.object, err)
}

// shadowed has part of the traffic of some children copied.
func (o *configOptions) shadowed(children []configChild) ([]configChild, error) {
	v := o.get("shadows")
	if v == nil {
		return children, nil
	}
	if v.Kind != mcjson.Array {
		return nil, v.Errorf(`"shadows" must be a list`)
	}
	children = append([]configChild(nil), children...)
	for _, item := range v.Items {
		s := o.loader.options(item, "shadow")
		from, to, err := s.indexRange(len(children))
		if err != nil {
			return nil, err
		}
		target, options, err := s.shadow()
		if err != nil {
			return nil, err
		}
		s.finish()
		for i := from; i < to; i++ {
			if children[i].route, err = Shadow(children[i].route, target, options, o.loader.env.Background); err != nil {
				return nil, at(item, err)
			}
		}
	}
	return children, nil
}

func (o *configOptions) indexRange(n int) (from, to int, err error) {
	list, err := o.floats("index_range", 0, 1<<30)
	if err != nil || list == nil {
		return 0, 0, err
	}
	if len(list) != 2 || list[0] > list[1] {
		return 0, 0, o.object.Errorf(`"index_range" must be two numbers, the second not below the first`)
	}
	return min(int(list[0]), n), min(int(list[1]), n), nil
}

// shadow reads where copies go, and of what.
func (o *configOptions) shadow() (Route, ShadowOptions, error) {
	s := ShadowOptions{To: 1, Fraction: placement.Fraction}
	target, err := o.route("target")
	if err != nil {
		return nil, s, err
	}
	keys, err := o.floats("key_fraction_range", 0, 1)
	if err != nil {
		return nil, s, err
	}
	if keys != nil {
		if len(keys) != 2 || keys[0] > keys[1] {
			return nil, s, o.object.Errorf(`"key_fraction_range" must be two numbers, the second not below the first`)
		}
		s.From, s.To = keys[0], keys[1]
	}
	if s.Keys, err = o.strings("keys_to_shadow"); err != nil {
		return nil, s, err
	}
	s.Requests, err = o.float("requests_fraction", 1, 0, 1)
	return target, s, err
}

// warmed has children that restarted empty get their gets slowly.
func (o *configOptions) warmed(children []configChild) ([]configChild, error) {
	w, err := o.sub("slow_warmup")
	if err != nil || w == nil {
		return children, err
	}
	fallback, err := w.route("failoverTarget")
	if err != nil {
		return nil, err
	}
	settings, err := w.sub("settings")
	if err != nil {
		return nil, err
	}
	if settings == nil {
		settings = w
	}
	var s SlowWarmUpOptions
	for name, field := range map[string]*float64{
		"enable_threshold": &s.Enable, "disable_threshold": &s.Disable, "start": &s.Start, "step": &s.Step,
	} {
		if *field, err = settings.float(name, 0, 0, 1e6); err != nil {
			return nil, err
		}
	}
	n, err := settings.int("min_requests", 0, 0, 1<<30)
	if err != nil {
		return nil, err
	}
	s.MinRequests = int(n)
	settings.finish()
	w.finish()
	children = append([]configChild(nil), children...)
	for i := range children {
		if children[i].route, err = SlowWarmUp(children[i].route, fallback, s); err != nil {
			return nil, at(w.object, err)
		}
	}
	return children, nil
}
