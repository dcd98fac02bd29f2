package route

import (
	"cmp"
	"math"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// buildFailover is "FailoverRoute|Pool|A".
func buildFailover(o *configOptions) (Route, error) {
	return o.failover(o.children("children"))
}

// failover builds a failover over children, with the options that all handles of the family share.
func (o *configOptions) failover(children []*handle) (Route, error) {
	options := o.failoverOptions(len(children))
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := FailoverList(routesOf(children), options)
	return o.over(children, made), err
}

func (o *configOptions) failoverOptions(children int) (f FailoverOptions) {
	f.On = o.failoverErrors()
	f.Limit = o.failoverLimit()
	if v := o.ofKind("enable_lease_pairing", o.get("enable_lease_pairing"), mcjson.Bool); v != nil && v.Bool {
		if o.givenName() == "" {
			o.fail(v, "%q needs a name", "enable_lease_pairing")
		}
		o.warn(v, "%q has no effect here: %s", "enable_lease_pairing", whyIgnored(o.kind, "enable_lease_pairing"))
	}
	if policy := o.object("failover_policy"); policy != nil {
		policy.failoverPolicy(&f, o, children)
		o.done(policy)
	}
	return f
}

// failoverErrors reads "failover_errors": a list of errors, or one each for gets, updates and deletes.
func (o *configOptions) failoverErrors() (on FailoverOn) {
	v := o.get("failover_errors")
	switch {
	case v == nil:
	case v.Kind == mcjson.Array:
		all := o.errorNames(v)
		on = FailoverOn{Get: &all, Update: &all, Delete: &all}
	case v.Kind == mcjson.Object:
		classes := o.within("failover_errors", v)
		on = FailoverOn{Get: classes.errorsOf("gets"), Update: classes.errorsOf("updates"), Delete: classes.errorsOf("deletes")}
		o.done(classes)
	default:
		o.fail(v, `"failover_errors" is %s, want array or object`, v.Kind)
	}
	return on
}

// errorsOf reads the errors of one class; nil if it is not given.
func (o *configOptions) errorsOf(class string) *Failure {
	v := o.ofKind(class, o.get(class), mcjson.Array)
	if v == nil {
		return nil
	}
	f := o.errorNames(v)
	return &f
}

// errorNames reads a list of mcrouter's names of errors.
func (o *configOptions) errorNames(v *mcjson.Value) (all Failure) {
	for _, name := range v.Items {
		if name.Kind != mcjson.String {
			o.fail(name, "an error is %s, want its name", name.Kind)
			return 0
		}
		f, err := ParseFailure(name.Str)
		o.failWith(name, err)
		if f == 0 {
			o.warn(name, "error %q does not happen here", name.Str)
		}
		all |= f
	}
	return all
}

func (o *configOptions) failoverLimit() *RequestLimit {
	limit := o.object("failover_limit")
	if limit == nil {
		return nil
	}
	limit.need("rate")
	l, err := NewRequestLimit(limit.number("rate", 0), limit.number("burst", 1000))
	limit.failWith(limit.at, err)
	o.done(limit)
	return l
}

// failoverPolicy reads "failover_policy".
func (o *configOptions) failoverPolicy(f *FailoverOptions, of *configOptions, children int) {
	kind := o.ofKind("type", o.need("type"), mcjson.String)
	if kind == nil {
		return
	}
	switch kind.Str {
	case "LeastFailuresPolicy":
		o.need("max_tries")
		f.Order = LeastFailures(children)
		f.MaxTries = o.tries("max_tries")
	case "DeterministicOrderPolicy":
		o.need("max_tries")
		o.need("max_error_tries")
		f.MaxTries, f.MaxErrors = o.tries("max_tries"), o.tries("max_error_tries")
		f.Order = o.deterministic(of, children)
	case "RendezvousPolicy":
		f.Order = o.rendezvous(children)
	case "InOrderPolicy", "FailoverInOrderPolicy":
		f.MaxErrors = o.tries("max_tries") // mcrouter's in-order policy counts tries as the others count error tries
	default:
		o.fail(kind, "unknown failover policy %q", kind.Str)
	}
	if v := o.ofKind("exclude_errors", o.get("exclude_errors"), mcjson.Array); v != nil {
		f.Exclude = o.errorNames(v)
	}
}

func (o *configOptions) tries(name string) int {
	return int(o.integer(name, 0, 1, math.MaxUint32))
}

// deterministic draws children by a hash over all of them. "hash" stands beside the policy or in it; its salt is not used.
func (o *configOptions) deterministic(of *configOptions, children int) Order {
	s := hashSettings{at: o.at}
	inside := o.object("hash")
	hash := cmp.Or(of.object("hash"), inside)
	if hash != nil {
		hash.hashSettings(&s)
		o.done(hash)
	}
	if children < 2 || o.err != nil || of.err != nil {
		return nil
	}
	switch s.function {
	case "", "Ch3", "WeightedCh3":
	default:
		o.fail(s.at, "DeterministicOrderPolicy takes the hash functions Ch3 and WeightedCh3, not %q", s.function)
		return nil
	}
	draw, err := s.unsalted(children)
	o.failWith(s.at, err)
	return DeterministicOrder(draw)
}

// rendezvous orders the children after the first by the scores of their tags.
func (o *configOptions) rendezvous(children int) Order {
	tags := o.get("tags")
	names := o.texts("tags")
	if o.err != nil || children < 2 {
		return nil
	}
	if tags == nil || len(names) != children-1 {
		o.fail(o.at, `RendezvousPolicy needs one of "tags" for each child but the first (%d), but there are %d`, children-1, len(names))
		return nil
	}
	r, err := placement.NewRendezvous(names)
	if err != nil {
		o.failWith(tags, err)
		return nil
	}
	return KeyOrder(func(dst []int, key string) []int {
		from := len(dst)
		dst = r.AppendOrder(dst, placement.BeforeHashStop(key))
		for i := range dst[from:] {
			dst[from+i]++ // the tags begin at the second child
		}
		return dst
	})
}

// buildSaltedFailover is a PoolRoute, and after it the pool's servers.
func buildSaltedFailover(o *configOptions) (Route, error) {
	p := o.pool("pool")
	if p == nil || len(p.handles) == 0 {
		return Null(), nil
	}
	handles := o.wrapped(p.handles)
	normal := &handle{name: p.name, route: o.hashed(handles, o.poolHash(p)), size: 1 + len(handles)}
	for _, h := range handles {
		normal.edges = append(normal.edges, edge{h, allOperations})
	}
	o.self.edges = append(o.self.edges, edge{normal, allOperations})
	options := o.failoverOptions(1 + len(p.handles))
	if o.err != nil {
		return nil, nil
	}
	o.self.set = o.reader.setOf(p.handles).key
	made, err := FailoverList(append([]Route{normal.route}, routesOf(p.handles)...), options)
	if len(p.handles) < 2 {
		return normal.route, nil
	}
	return o.over(p.handles, made), err
}

func buildFailoverWithExptime(o *configOptions) (Route, error) {
	normal := o.child("normal")
	ttl := o.exptime("failover_exptime", 60)
	others := o.children("failover")
	options := o.failoverOptions(1 + len(others))
	if o.err != nil {
		return nil, nil
	}
	return FailoverWithExptime(normal, routesOf(others), ttl, options)
}

func buildMissFailover(o *configOptions) (Route, error) {
	children := o.children("children")
	options := MissFailoverOptions{BestOnError: o.isTrue("return_best_on_error")}
	if o.isTrue("refill") { // not mcrouter's
		options.Refill = o.reader.env.Background
	}
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := MissFailover(routesOf(children), options)
	return o.over(children, made), err
}

func buildLatest(o *configOptions) (Route, error) { return latestOf(o, o.children("children")) }

// latestOf builds a LatestRoute; as a hash function of a pool too.
func latestOf(o *configOptions, children []*handle) (Route, error) {
	count := int(o.integer("failover_count", 0, 1, math.MaxInt32))
	chosen := len(children)
	options := LatestOptions{
		HostID: o.reader.env.HostID, Salt: o.text("salt"), Count: count, Failover: o.failoverOptions(chosen),
	}
	if v := o.get("weights"); v != nil {
		s := hashSettings{weights: o.numbers("weights"), weightsAt: v}
		if o.err == nil {
			o.failWith(v, s.weightsFor(len(children)))
		}
		options.Weights = append([]float64{}, s.weights...)
	}
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := Latest(routesOf(children), options)
	return o.over(children, made), err
}

func buildLoadBalancer(o *configOptions) (Route, error) {
	o.need("children")
	return loadBalancerOf(o, o.children("children"))
}

// loadBalancerOf builds a LoadBalancerRoute; as a hash function of a pool too.
func loadBalancerOf(o *configOptions, children []*handle) (Route, error) {
	if v := o.ofKind("algorithm", o.get("algorithm"), mcjson.String); v != nil {
		switch v.Str {
		case "two-random-choices":
		case "weighted-hashing":
			o.warn(v, "algorithm %q goes by load, which memcached does not report: two-random-choices takes its place", v.Str)
		default:
			o.fail(v, "unknown algorithm %q", v.Str)
		}
	}
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := LoadBalancer(routesOf(children), TwoChoices)
	return o.over(children, made), err
}

func buildRandom(o *configOptions) (Route, error) {
	children := o.children("children")
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := Random(routesOf(children))
	return o.over(children, made), err
}

func buildHostID(o *configOptions) (Route, error) {
	children := o.children("children")
	id := o.reader.env.HostID
	if salt := o.text("salt"); salt != "" {
		id = mix(id ^ HashKey(salt))
	}
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	}
	made, err := HostID(routesOf(children), id)
	return o.over(children, made), err
}
