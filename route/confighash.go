package route

import (
	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// configHash is how a list of children is chosen from.
type configHash struct {
	options *configOptions
	at      *mcjson.Value
	name    string
	salt    string
	weights []float64
	tags    []string
	handle  string // "Latest" or "LoadBalancer": a handle and no function
}

// hash reads how to choose: a name, or an object with hash_func, salt, weights and tags. weights may stand in the pool.
func (o *configOptions) hash(member string, pool *mcjson.Value) (*configHash, error) {
	h := &configHash{options: o, at: o.object}
	v := o.get(member)
	if v != nil && v.Kind == mcjson.String {
		h.name, h.at = v.Str, v
	} else if v != nil {
		sub, err := o.sub(member)
		if err != nil {
			return nil, err
		}
		h.at = v
		if err := h.read(sub); err != nil {
			return nil, err
		}
		sub.finish()
	}
	if h.weights == nil && pool != nil && pool.Get("weights") != nil {
		var err error
		if h.weights, err = o.loader.options(pool, "pool").floats("weights", 0, 1e9); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *configHash) read(o *configOptions) (err error) {
	h.options = o
	if h.name, err = o.string("hash_func", ""); err != nil {
		return err
	}
	if h.salt, err = o.string("salt", ""); err != nil {
		return err
	}
	if h.weights, err = o.floats("weights", 0, 1e9); err != nil {
		return err
	}
	h.tags, err = o.strings("tags")
	return err
}

// over returns the route that sends each op to one of children.
func (h *configHash) over(children []configChild) (Route, error) {
	switch h.name {
	case "Latest":
		return h.options.latest(children)
	case "LoadBalancer":
		return h.options.loadBalancer(children)
	}
	if len(children) == 1 {
		return children[0].route, nil
	}
	position, err := h.position(children)
	if err != nil {
		return nil, at(h.at, err)
	}
	p, err := Positions(routesOf(children), 1, position)
	if err != nil {
		return nil, at(h.at, err)
	}
	return Hash(p), nil
}

// position returns mcrouter's function: of the part of the key before the hash stop, with the salt behind it.
func (h *configHash) position(children []configChild) (func(string) int, error) {
	f, err := h.function(children)
	if err != nil {
		return nil, err
	}
	if h.salt != "" {
		f = placement.Salted(f, h.salt)
	}
	return func(key string) int { return f(placement.BeforeHashStop(key)) }, nil
}

func (h *configHash) function(children []configChild) (placement.Func, error) {
	n := len(children)
	switch h.name {
	case "", "Ch3":
		if h.weights != nil && h.name == "" {
			return placement.WeightedCh3(n, h.weightsFor(n))
		}
		return placement.Ch3(n)
	case "WeightedCh3":
		return placement.WeightedCh3(n, h.weightsFor(n))
	case "Crc32":
		return placement.McrouterCRC32(n)
	case "ConstShard":
		return placement.ConstShard(n)
	case "Rendezvous", "RendezvousHash":
		r, err := placement.NewRendezvous(h.tagsFor(children))
		if err != nil {
			return nil, err
		}
		return r.Pick, nil
	case "WeightedRendezvous":
		r, err := placement.NewWeightedRendezvous(h.tagsFor(children), h.weightsFor(n))
		if err != nil {
			return nil, err
		}
		return r.Pick, nil
	}
	return nil, h.at.Errorf("there is no hash function %q", h.name)
}

// weightsFor returns n weights: surplus ones do not count, missing ones are one half, as in mcrouter.
func (h *configHash) weightsFor(n int) []float64 {
	weights := append([]float64(nil), h.weights[:min(n, len(h.weights))]...)
	for len(weights) < n {
		weights = append(weights, 0.5)
	}
	return weights
}

func (h *configHash) tagsFor(children []configChild) []string {
	if h.tags != nil {
		return h.tags
	}
	return childNames(children)
}
