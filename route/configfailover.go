package route

import (
	"math"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

func failoverHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	r, err := o.failover(list)
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

// failover builds a failover over list with the options of the handle.
func (o *configOptions) failover(list []configChild) (Route, error) {
	options, err := o.failoverOptions(list)
	if err != nil {
		return nil, err
	}
	return FailoverList(routesOf(list), options)
}

func (o *configOptions) failoverOptions(list []configChild) (f FailoverOptions, err error) {
	if f.On, err = o.failoverErrors(); err != nil {
		return f, err
	}
	if f.Limit, err = o.failoverLimit(); err != nil {
		return f, err
	}
	return f, o.failoverPolicy(list, &f)
}

// failoverErrors reads a list of errors, or lists by group.
func (o *configOptions) failoverErrors() (on FailoverOn, err error) {
	v := o.get("failover_errors")
	switch {
	case v == nil:
		return on, nil
	case v.Kind == mcjson.Array:
		all, err := failuresOf(v)
		return FailoverOn{Get: all, Update: all, Delete: all}, err
	}
	groups, err := o.sub("failover_errors")
	if err != nil {
		return on, err
	}
	for name, set := range map[string]**Failure{"gets": &on.Get, "updates": &on.Update, "deletes": &on.Delete} {
		if list := groups.get(name); list != nil {
			if *set, err = failuresOf(list); err != nil {
				return on, err
			}
		}
	}
	groups.finish()
	return on, nil
}

func failuresOf(v *mcjson.Value) (*Failure, error) {
	names, err := stringsOf(v, "failover_errors")
	if err != nil {
		return nil, err
	}
	var all Failure
	for i, name := range names {
		f, err := ParseFailure(name)
		if err != nil {
			return nil, v.Items[i].Errorf("there is no error %q", name)
		}
		all |= f
	}
	return &all, nil
}

func (o *configOptions) failoverLimit() (*RequestLimit, error) {
	limit, err := o.sub("failover_limit")
	if err != nil || limit == nil {
		return nil, err
	}
	if _, err := limit.require("rate"); err != nil {
		return nil, err
	}
	rate, err := limit.float("rate", 0, 0, 1)
	if err != nil {
		return nil, err
	}
	burst, err := limit.float("burst", 1000, 1, 1e12)
	if err != nil {
		return nil, err
	}
	limit.finish()
	return NewRequestLimit(rate, burst)
}

func (o *configOptions) failoverPolicy(list []configChild, f *FailoverOptions) error {
	p, err := o.sub("failover_policy")
	if err != nil || p == nil {
		return err
	}
	kind, err := p.string("type", "")
	if err != nil {
		return err
	}
	switch kind {
	case "", "InOrderPolicy":
	case "LeastFailuresPolicy":
		f.Order = LeastFailures(len(list))
		_, err = p.require("max_tries")
	case "DeterministicOrderPolicy":
		err = p.deterministic(list, f)
	case "RendezvousPolicy":
		err = p.rendezvous(list, f)
	default:
		err = p.object.Errorf("there is no failover policy %q", kind)
	}
	if err != nil {
		return err
	}
	tries, err := p.int("max_tries", 0, 1, math.MaxInt32)
	if err != nil {
		return err
	}
	if f.Order == nil { // mcrouter's in-order policy counts tries as the others count error tries
		f.MaxErrors = int(tries)
	} else if err = p.limitTries(f, int(tries)); err != nil {
		return err
	}
	if v := p.get("exclude_errors"); v != nil {
		excluded, err := failuresOf(v)
		if err != nil {
			return err
		}
		f.Exclude = *excluded
	}
	p.finish()
	return nil
}

func (o *configOptions) limitTries(f *FailoverOptions, tries int) error {
	errors, err := o.int("max_error_tries", 0, 1, math.MaxInt32)
	f.MaxTries, f.MaxErrors = tries, int(errors)
	return err
}

func (o *configOptions) deterministic(list []configChild, f *FailoverOptions) error {
	for _, name := range []string{"max_tries", "max_error_tries"} {
		if _, err := o.require(name); err != nil {
			return err
		}
	}
	hash, err := o.hash("hash", nil)
	if err != nil {
		return err
	}
	draw, err := hash.function(list)
	if err != nil {
		return at(hash.at, err)
	}
	f.Order = DeterministicOrder(draw)
	return nil
}

func (o *configOptions) rendezvous(list []configChild, f *FailoverOptions) error {
	tags, err := o.strings("tags")
	if err != nil {
		return err
	}
	if tags == nil {
		tags = childNames(list[1:])
	}
	if len(tags) != len(list)-1 {
		return o.object.Errorf("RendezvousPolicy needs a tag for each child but the first")
	}
	weights, err := o.floats("weights", 0, 1e9)
	if err != nil || len(tags) == 0 {
		return err
	}
	var r *placement.Rendezvous
	if weights == nil {
		r, err = placement.NewRendezvous(tags)
	} else {
		r, err = placement.NewWeightedRendezvous(tags, weights)
	}
	if err != nil {
		return err
	}
	f.Order = KeyOrder(func(dst []int, key string) []int {
		from := len(dst)
		dst = r.AppendOrder(dst, key)
		for i := from; i < len(dst); i++ {
			dst[i]++ // the tags begin at the second child
		}
		return dst
	})
	return nil
}

// saltedFailoverHandle is a pool's hash, and then all its servers.
func saltedFailoverHandle(o *configOptions) (Route, error) {
	pool, err := o.pool()
	if err != nil {
		return nil, err
	}
	hash, err := o.hash("hash", pool.value)
	if err != nil {
		return nil, err
	}
	normal, err := hash.over(pool.children)
	if err != nil {
		return nil, err
	}
	return o.failover(append([]configChild{{route: normal, name: "normal"}}, pool.children...))
}

func failoverWithExptimeHandle(o *configOptions) (Route, error) {
	normal, err := o.route("normal")
	if err != nil {
		return nil, err
	}
	v, err := o.require("failover")
	if err != nil {
		return nil, err
	}
	others, err := o.loader.children(v)
	if err != nil {
		return nil, err
	}
	ttl, err := o.seconds("failover_exptime", 60)
	if err != nil {
		return nil, err
	}
	options, err := o.failoverOptions(append([]configChild{{route: normal, name: "normal"}}, others...))
	if err != nil {
		return nil, err
	}
	return FailoverWithExptime(normal, routesOf(others), ttl, options)
}

func missFailoverHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	var m MissFailoverOptions
	if m.BestOnError, err = o.bool("return_best_on_error"); err != nil {
		return nil, err
	}
	refill, err := o.bool("refill") // not mcrouter's
	if err != nil {
		return nil, err
	}
	if refill {
		m.Refill = o.loader.env.Background
	}
	return MissFailover(routesOf(list), m)
}

func latestHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	r, err := o.latest(list)
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

func (o *configOptions) latest(list []configChild) (Route, error) {
	l := LatestOptions{HostID: o.loader.env.HostID}
	n, err := o.int("failover_count", 0, 1, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	l.Count = int(n)
	if l.Salt, err = o.string("salt", ""); err != nil {
		return nil, err
	}
	if l.Weights, err = o.floats("weights", 0, 1e9); err != nil {
		return nil, err
	}
	if l.Failover, err = o.failoverOptions(list); err != nil {
		return nil, err
	}
	return Latest(routesOf(list), l)
}

func loadBalancerHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	r, err := o.loadBalancer(list)
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

func (o *configOptions) loadBalancer(list []configChild) (Route, error) {
	algorithm, err := o.string("algorithm", "weighted-hashing")
	if err != nil {
		return nil, err
	}
	switch algorithm {
	case "two-random-choices":
	case "weighted-hashing":
		o.loader.warn(o.object.Pos.String(), "LoadBalancerRoute goes by the requests under way, for memcached does not report its load: "+
			`"weighted-hashing" is served as "two-random-choices"`)
	default:
		return nil, o.get("algorithm").Errorf("there is no algorithm %q", algorithm)
	}
	return LoadBalancer(routesOf(list), TwoChoices)
}
