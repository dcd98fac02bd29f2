package route

import (
	"fmt"
	"math"
	"strings"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// hashSettings say how keys are placed on a list of routes.
type hashSettings struct {
	pool      string // "" for a HashRoute
	function  string // "" is Ch3
	salt      string
	weights   []float64
	weightsAt *mcjson.Value
	tags      []string
	tagsAt    *mcjson.Value
	at        *mcjson.Value  // where the function is named
	options   *configOptions // where those of Latest and LoadBalancer stand; nil: nowhere
}

// hashSettings reads what a "hash" or a HashRoute says; what it does not say stays as it is.
func (o *configOptions) hashSettings(s *hashSettings) {
	s.at = o.at
	if v := o.ofKind("hash_func", o.get("hash_func"), mcjson.String); v != nil {
		s.function, s.at = v.Str, v
	}
	if v := o.ofKind("salt", o.get("salt"), mcjson.String); v != nil {
		s.salt = v.Str
	}
	if v := o.get("weights"); v != nil {
		s.weights, s.weightsAt = o.numbers("weights"), v
	}
	if v := o.get("tags"); v != nil {
		s.tags, s.tagsAt = o.texts("tags"), v
	}
}

// buildHashRoute is "HashRoute|Pool|A": each key at one of the children.
func buildHashRoute(o *configOptions) (Route, error) {
	children := o.children("children")
	s := hashSettings{at: o.at, options: o}
	if len(o.from) > 0 {
		o.hashSettings(&s)
	}
	return o.hashed(children, s), nil
}

// hashed places keys on handles.
func (o *configOptions) hashed(handles []*handle, s hashSettings) Route {
	switch n := len(handles); {
	case o.err != nil:
		return Null()
	case n == 0:
		return o.withoutChildren()
	case n == 1:
		o.checkWeights(s)
		o.done(s.inner(o))
		return handles[0].route
	case s.function == "Latest":
		return o.hashedBy(s, handles, latestOf)
	case s.function == "LoadBalancer":
		return o.hashedBy(s, handles, loadBalancerOf)
	}
	position, err := s.positionFunc(len(handles))
	o.done(s.inner(o))
	if err != nil {
		o.failWith(s.at, err)
		return Null()
	}
	return o.over(handles, Hash(o.at1(s, handles, position)))
}

// inner are the options of "hash" where that is an object of its own.
func (s *hashSettings) inner(o *configOptions) *configOptions {
	if s.options == o {
		return nil
	}
	return s.options
}

// hashedBy has another handle take the place of a hash function.
func (o *configOptions) hashedBy(s hashSettings, handles []*handle, build func(*configOptions, []*handle) (Route, error)) Route {
	options := s.options
	if options == nil {
		options = &configOptions{reader: o.reader, kind: s.function, at: s.at, self: o.self}
	}
	route, err := build(options, handles)
	o.failWith(s.at, err)
	if options != o {
		o.done(options)
	}
	if o.err != nil {
		return Null()
	}
	return route
}

// at1 is the placement of each key at one of handles.
func (o *configOptions) at1(s hashSettings, handles []*handle, position func(string) int) Placement {
	part, why := placement.BeforeHashStop, ""
	if p := o.reader.part; p != nil {
		part, why = p.part, " of "+p.id
	}
	p, err := Positions(routesOf(handles), 1, func(key string) int { return position(part(key)) })
	if err != nil {
		o.failWith(o.at, err)
		return Fixed(Null())
	}
	where := ""
	if s.pool != "" {
		where = " of pool " + s.pool
	}
	function := s.function
	if function == "" {
		function = "Ch3"
	}
	return &described{p, where + " by " + function + why}
}

// described is a placement with more to say.
type described struct {
	Placement
	what string
}

func (d *described) Why(op *Op) string { return Why(d.Placement, op) + d.what }

// positionFunc returns the function for n routes.
func (s *hashSettings) positionFunc(n int) (func(string) int, error) {
	f, err := s.unsalted(n)
	if err != nil || s.salt == "" {
		return f, err
	}
	return placement.Salted(f, s.salt), nil
}

func (s *hashSettings) unsalted(n int) (placement.Func, error) {
	switch s.function {
	case "", "Ch3":
		return placement.Ch3(n)
	case "Crc32":
		return placement.McrouterCRC32(n)
	case "ConstShard":
		return placement.ConstShard(n)
	case "WeightedCh3":
		if s.weightsAt == nil {
			return nil, s.at.Errorf(`WeightedCh3 needs "weights"`)
		}
		if err := s.weightsFor(n); err != nil {
			return nil, err
		}
		f, err := placement.WeightedCh3(n, s.weights)
		return f, s.atWeights(err)
	case "Rendezvous", "WeightedRendezvous":
		return s.rendezvous(n)
	case "WeightedCh3Rv":
		return nil, s.at.Errorf("hash function WeightedCh3Rv is not here: its weights are runtime variables of mcrouter")
	}
	return nil, s.at.Errorf("unknown hash function %q", s.function)
}

func (s *hashSettings) rendezvous(n int) (placement.Func, error) {
	if len(s.tags) != n {
		at := s.at
		if s.tagsAt != nil {
			at = s.tagsAt
		}
		return nil, at.Errorf(`%s needs one of "tags" for each of %d children, but there are %d`, s.function, n, len(s.tags))
	}
	if s.function == "Rendezvous" {
		r, err := placement.NewRendezvous(s.tags)
		if err != nil {
			return nil, causedAt(s.tagsAt, err)
		}
		return r.Pick, nil
	}
	if s.weightsAt == nil {
		return nil, s.at.Errorf(`WeightedRendezvous needs "weights"`)
	}
	r, err := placement.NewWeightedRendezvous(s.tags, s.weights)
	if err != nil {
		return nil, s.atWeights(err)
	}
	return r.Pick, nil
}

func (s *hashSettings) atWeights(err error) error {
	if err == nil {
		return nil
	}
	return causedAt(s.weightsAt, err)
}

// weightsFor refuses weights that WeightedCh3 does not take. Those beyond n are ignored, as in mcrouter.
func (s *hashSettings) weightsFor(n int) error {
	for i, w := range s.weights[:min(n, len(s.weights))] {
		if !(w >= 0 && w <= 1) {
			return s.weightsAt.Items[i].Errorf("a weight is %v, want 0 to 1", w)
		}
	}
	return nil
}

// checkWeights refuses negative weights where there is nothing to weigh.
func (o *configOptions) checkWeights(s hashSettings) {
	for i, w := range s.weights {
		if w < 0 {
			o.fail(s.weightsAt.Items[i], "a weight is %v, want 0 to 1", w)
		}
	}
}

// keyPartOf is what a KeyParseRoute has the pools below it go by.
type keyPartOf struct {
	id   string // "the first 2 parts by ':'"
	part func(key string) string
}

// buildKeyParse has the pools below go by the first parts of a key.
func buildKeyParse(o *configOptions) (Route, error) {
	o.need("num_routing_parts")
	parts := int(o.integer("num_routing_parts", 1, 1, math.MaxInt32))
	delimiter := o.ofKind("delimiter", o.need("delimiter"), mcjson.String)
	if o.err != nil {
		return nil, nil
	}
	if len(delimiter.Str) != 1 {
		o.fail(delimiter, `"delimiter" is %q, want one character`, delimiter.Str)
		return nil, nil
	}
	outer := o.reader.part
	defer func() { o.reader.part = outer }()
	o.reader.part = parsedBy(outer, parts, delimiter.Str[0])
	return o.child("target"), nil
}

// parsedBy is the first n parts of a key, or of what outer leaves of it.
func parsedBy(outer *keyPartOf, n int, delimiter byte) *keyPartOf {
	p := &keyPartOf{id: fmt.Sprintf("the first %d parts by %q", n, delimiter), part: placement.BeforeHashStop}
	if outer != nil {
		p.id, p.part = p.id+" of "+outer.id, outer.part
	}
	before := p.part
	p.part = func(key string) string { return firstParts(before(key), n, delimiter) }
	return p
}

// firstParts returns the first n parts of key, each with the delimiter that ends it; all, if there are fewer.
func firstParts(key string, n int, delimiter byte) string {
	end := 0
	for range n {
		i := strings.IndexByte(key[end:], delimiter)
		if i < 0 {
			return key
		}
		end += i + 1
	}
	return key[:end]
}
