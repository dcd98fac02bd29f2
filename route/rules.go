package route

// Rules override the placement of single keys.
type Rules struct {
	base   Placement
	byHash map[uint64][]rule // more than one where hashes collide; nil if there are no rules
}

type rule struct {
	key      string
	replicas Replicas
}

// NewRules returns base with the keys of rules placed on the replicas given for them, each at least one route. Without
// rules a look-up costs a comparison with nil.
func NewRules(base Placement, rules map[string]Replicas) *Rules {
	r := &Rules{base: base}
	if len(rules) == 0 {
		return r
	}
	r.byHash = make(map[uint64][]rule, len(rules))
	for key, replicas := range rules {
		h := HashKey(key)
		r.byHash[h] = append(r.byHash[h], rule{key, replicas})
	}
	return r
}

// Replicas returns those of the rule for op's key, or else those of the placement below.
func (r *Rules) Replicas(op *Op) Replicas {
	if r.byHash == nil {
		return r.base.Replicas(op)
	}
	for _, rule := range r.byHash[op.Hash] {
		if rule.key == op.Request.Key {
			return rule.replicas
		}
	}
	return r.base.Replicas(op)
}
