package hotkey

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Origin says who made a rule.
type Origin uint8

// The origins.
const (
	Explicit  Origin = iota // a person: options, a file
	Automatic               // the detector
)

func (o Origin) String() string {
	if o == Automatic {
		return "automatic"
	}
	return "explicit"
}

// Rule says what is done about a key, or about all keys with a prefix. Exactly one of Key and Prefix is set. A client that
// changes keys on their way, as by a namespace, looks rules up by the key that it sends.
type Rule struct {
	Key     string // as it travels
	Prefix  string // the same
	Action  Action
	Origin  Origin
	Expires time.Time // zero: with the table. Not of a Pin: it ends, see Action
	// Since is when a Pin was first in a table, by the clock of who put it there: a process that starts knows by it whether
	// there may be others that have not seen it yet. zero: not known, so there may.
	Since time.Time
}

// Bounds of rules and tables.
const (
	MaxExplicitRules  = 1024 // in a table
	MaxAutomaticRules = 512
	MaxRuleNodes      = 1024
	MaxStaleness      = time.Hour
	MaxTableSize      = 1 << 20 // bytes of a table as JSON: memcached's usual limit of an item
	maxNameSize       = 255     // bytes of a node's or a controller's name

	maxEpoch uint64 = 1<<63 - 1
)

// problem is what is wrong with a rule, and in which of its fields, as they are called in JSON; or nil.
type problem struct{ field, what string }

func bad(field, format string, args ...any) *problem {
	return &problem{field, fmt.Sprintf(format, args...)}
}

// check returns what is wrong with r.
func (r *Rule) check() *problem {
	if p := r.checkKey(); p != nil {
		return p
	}
	if r.Origin > Automatic {
		return bad("origin", "unknown")
	}
	if r.Prefix != "" && r.Origin == Automatic {
		return bad("prefix", "automatic rules are for single keys")
	}
	if r.Action.Kind == Auto && r.Origin == Automatic {
		return bad("do", "an automatic rule cannot leave it to itself")
	}
	if p := r.checkPin(); p != nil {
		return p
	}
	return r.Action.check()
}

// checkPin returns what is wrong with when a pin is there. That it goes must be told: processes that count on it differ in
// what time it is, and one that starts must know of it until none does.
func (r *Rule) checkPin() *problem {
	isPin := r.Action.Kind == Pin
	switch {
	case r.Action.Ends && !isPin:
		return bad("ends", "%v does not end, it is taken out", r.Action.Kind)
	case !r.Since.IsZero() && !isPin:
		return bad("since", "%v has none", r.Action.Kind)
	case isPin && !r.Action.Ends && !r.Expires.IsZero():
		return bad("expires", "a pin does not expire, it ends")
	case r.Action.Ends && r.Expires.IsZero():
		return bad("expires", "missing, for a pin that ends")
	case isPin && r.Key == "":
		return bad("prefix", "a pin is for a single key")
	}
	return nil
}

// Pins reports whether r moves its key, now.
func (r *Rule) Pins() bool { return r.Action.Kind == Pin && !r.Action.Ends }

func (r *Rule) checkKey() *problem {
	switch {
	case r.Key == "" && r.Prefix == "":
		return bad("key", "neither key nor prefix is set")
	case r.Key != "" && r.Prefix != "":
		return bad("prefix", "both key and prefix are set")
	case len(r.Key) > maxKeySize:
		return bad("key", "longer than %d bytes", maxKeySize)
	case len(r.Prefix) > maxKeySize:
		return bad("prefix", "longer than %d bytes", maxKeySize)
	}
	return nil
}

func (a *Action) check() *problem {
	if int(a.Kind) >= len(kindNames) {
		return bad("do", "unknown")
	}
	if p := a.checkStaleness(); p != nil {
		return p
	}
	if p := a.checkCopies(); p != nil {
		return p
	}
	return a.checkNodes()
}

func (a *Action) checkStaleness() *problem {
	switch {
	case a.Staleness < 0:
		return bad("staleness", "negative")
	case a.Staleness > MaxStaleness:
		return bad("staleness", "above %v", MaxStaleness)
	case a.Staleness > 0 && a.Kind != Keep && a.Kind != Spread && a.Kind != Auto:
		return bad("staleness", "%v has none", a.Kind)
	}
	return nil
}

func (a *Action) checkCopies() *problem {
	switch {
	case a.Kind != Spread && a.Copies != 0:
		return bad("copies", "%v has none", a.Kind)
	case a.Kind == Spread && len(a.Nodes) > 0 && a.Copies != 0:
		return bad("copies", "both copies and nodes are set")
	case a.Kind == Spread && len(a.Nodes) == 0 && (a.Copies < 2 || a.Copies > MaxRuleNodes):
		return bad("copies", "%d is not between 2 and %d", a.Copies, MaxRuleNodes)
	}
	return nil
}

func (a *Action) checkNodes() *problem {
	switch {
	case a.Kind != Spread && a.Kind != Pin && len(a.Nodes) > 0:
		return bad("nodes", "%v has none", a.Kind)
	case a.Kind == Pin && len(a.Nodes) == 0:
		return bad("nodes", "a pin needs one")
	case a.Kind == Spread && len(a.Nodes) == 1:
		return bad("nodes", "one node is no spread")
	case len(a.Nodes) > MaxRuleNodes:
		return bad("nodes", "more than %d", MaxRuleNodes)
	}
	known := make(map[string]bool, len(a.Nodes))
	for i, n := range a.Nodes {
		switch {
		case !isName(n):
			return bad(fmt.Sprintf("nodes[%d]", i), notAName)
		case known[n]:
			return bad(fmt.Sprintf("nodes[%d]", i), "named twice")
		}
		known[n] = true
	}
	return nil
}

const notAName = "not 1 to 255 bytes of UTF-8"

func isName(s string) bool { return s != "" && len(s) <= maxNameSize && utf8.ValidString(s) }
