package route

// Rules override the placement of single keys.
type Rules struct {
	base   Placement
	byHash map[uint64][]rule // more than one where hashes collide; nil if there are no rules
}

type rule struct {
	key      string
	replicas Replicas
	pinned   *pinned // instead of replicas: they change
}

// NewRules returns base with the keys of rules placed on the replicas given for them, each at least one route. Without
// rules a look-up costs a comparison with nil.
func NewRules(base Placement, rules map[string]Replicas) *Rules {
	r := &Rules{base: base}
	if len(rules) == 0 {
		return r
	}
	for key, replicas := range rules {
		r.add(rule{key: key, replicas: replicas})
	}
	return r
}

func (r *Rules) add(one rule) {
	if r.byHash == nil {
		r.byHash = make(map[uint64][]rule)
	}
	h := HashKey(one.key)
	r.byHash[h] = append(r.byHash[h], one)
}

// Replicas returns those of the rule for op's key, or else those of the placement below.
func (r *Rules) Replicas(op *Op) Replicas {
	switch rule := r.find(op); {
	case rule == nil:
	case rule.pinned != nil:
		return rule.pinned.replicas(op)
	default:
		return rule.replicas
	}
	return r.base.Replicas(op)
}

// find returns the rule for op's key, or nil.
func (r *Rules) find(op *Op) *rule {
	if r.byHash == nil {
		return nil
	}
	sameHash := r.byHash[op.Hash]
	for i := range sameHash {
		if sameHash[i].key == op.Request.Key {
			return &sameHash[i]
		}
	}
	return nil
}

// Why says that a rule applies, or what the placement below says.
func (r *Rules) Why(op *Op) string {
	switch rule := r.find(op); {
	case rule == nil:
	case rule.pinned != nil:
		return rule.pinned.why()
	default:
		return "a rule for this key"
	}
	return Why(r.base, op)
}
