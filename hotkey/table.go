package hotkey

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Header is what a table says of itself.
type Header struct {
	Epoch      uint64    // the higher wins; below 1<<63
	Controller string    // who made the table; of equal epochs the greater wins
	View       string    // of the node list that the rules' nodes are from; "" means any
	Expires    time.Time // zero: never
}

// Newer reports whether a table with header h replaces one with header o.
func (h Header) Newer(o Header) bool {
	return cmp.Or(cmp.Compare(h.Epoch, o.Epoch), cmp.Compare(h.Controller, o.Controller)) > 0
}

// ErrBadTable is matched by the errors of a table that is not valid.
var ErrBadTable = errors.New("hotkey: bad rule table")

// TableError says where a table is wrong. Its text contains no key.
type TableError struct {
	Place string // such as "rules[3].staleness"; "" means the table as a whole
	What  string
}

func (e *TableError) Error() string {
	if e.Place == "" {
		return ErrBadTable.Error() + ": " + e.What
	}
	return ErrBadTable.Error() + ": " + e.Place + ": " + e.What
}

// Is makes every TableError match ErrBadTable.
func (e *TableError) Is(target error) bool { return target == ErrBadTable }

// Table is an immutable set of rules. A key's rule is the first of these that there is: an explicit rule for the key; an
// explicit one for the longest prefix; an automatic one for the key. Explicit rules of kind Auto make way for an automatic
// one. The nil table has no rules. Safe for concurrent use.
type Table struct {
	header   Header
	rules    []Rule
	filter   filter
	exact    []uint16 // open addressing by hash: rule + 1, 0 if empty
	hashes   []uint64 // of the rules for keys
	prefixes prefixes // explicit
}

// filter has a bit for each of 8,192 classes of hashes, set if a rule's key is of that class; all are set if there are
// prefixes. The low 8 bits of a hash choose the word, the high 5 the bit, counted from the sign: in this form, Lookup is
// small enough to be inlined.
type filter [256]int32

func (f *filter) add(hash uint64) { f[uint8(hash)] |= int32(uint32(1<<31) >> (hash >> 59)) }

// NewTable returns a table of rules, which it copies. The error is a *TableError; nothing of a bad table is used.
func NewTable(h Header, rules []Rule) (*Table, error) {
	if err := checkTable(h, rules); err != nil {
		return nil, err
	}
	return newTable(h, rules), nil
}

// newTable makes a table of valid rules.
func newTable(h Header, rules []Rule) *Table {
	t := &Table{header: h, rules: make([]Rule, len(rules)), hashes: make([]uint64, len(rules))}
	for i, r := range rules {
		r.Action.Nodes = slices.Clone(r.Action.Nodes)
		t.rules[i] = r
	}
	t.prefixes = newPrefixes(t.rules)
	if t.prefixes != nil {
		for i := range t.filter {
			t.filter[i] = -1
		}
	}
	t.indexKeys()
	return t
}

func checkTable(h Header, rules []Rule) error {
	switch {
	case h.Epoch > maxEpoch:
		return &TableError{"epoch", "1<<63 or more: soon none could follow"}
	case !isName(h.Controller) && h.Controller != "":
		return &TableError{"controller", notAName}
	case !isName(h.View) && h.View != "":
		return &TableError{"view", notAName}
	}
	type subject struct {
		key, prefix string
		origin      Origin
	}
	known := make(map[subject]bool, len(rules))
	var count [Automatic + 1]int
	for i := range rules {
		r := &rules[i]
		if p := r.check(); p != nil {
			return &TableError{fmt.Sprintf("rules[%d].%s", i, p.field), p.what}
		}
		s := subject{r.Key, r.Prefix, r.Origin}
		if known[s] {
			return &TableError{fmt.Sprintf("rules[%d]", i), "the same key or prefix as another rule"}
		}
		if r.Pins() && !h.Expires.IsZero() {
			return &TableError{"expires", "a table with pins does not expire"}
		}
		known[s] = true
		count[r.Origin]++
	}
	switch {
	case count[Explicit] > MaxExplicitRules:
		return &TableError{"rules", fmt.Sprintf("more than %d explicit ones", MaxExplicitRules)}
	case count[Automatic] > MaxAutomaticRules:
		return &TableError{"rules", fmt.Sprintf("more than %d automatic ones", MaxAutomaticRules)}
	}
	return nil
}

// indexKeys indexes the rules for keys: explicit ones, then those automatic ones to which explicit ones make way.
func (t *Table) indexKeys() {
	n := 2
	for n < 2*len(t.rules) {
		n *= 2
	}
	t.exact = make([]uint16, n)
	for _, origin := range [...]Origin{Explicit, Automatic} {
		for i := range t.rules {
			if r := &t.rules[i]; r.Key != "" && r.Origin == origin {
				t.indexKey(i)
			}
		}
	}
}

func (t *Table) indexKey(i int) {
	r := &t.rules[i]
	hash := xxhash.Sum64String(r.Key)
	if known := t.Lookup(hash, r.Key); r.Origin == Automatic && known != nil && known.Action.Kind != Auto {
		return
	}
	t.hashes[i] = hash
	t.filter.add(hash)
	b := int(hash) & (len(t.exact) - 1)
	for t.exact[b] != 0 && t.rules[t.exact[b]-1].Key != r.Key {
		b = (b + 1) & (len(t.exact) - 1)
	}
	t.exact[b] = uint16(i + 1)
}

// Lookup returns the rule for key, or nil; it must not be changed. hash is xxhash64 of key, as the router has it. Without
// a rule it costs a look at the filter, which is inlined into the caller; with prefixes in the table it looks at key, too.
func (t *Table) Lookup(hash uint64, key string) *Rule {
	if t == nil || t.filter[uint8(hash)]<<(hash>>59) >= 0 {
		return nil
	}
	return t.lookup(hash, key)
}

func (t *Table) lookup(hash uint64, key string) *Rule {
	if r := t.find(hash, key); r != nil {
		return r
	}
	if t.prefixes == nil {
		return nil
	}
	if i := t.prefixes.longest(key); i >= 0 {
		return &t.rules[i]
	}
	return nil
}

// find returns the rule for exactly key, or nil.
func (t *Table) find(hash uint64, key string) *Rule {
	for b := int(hash) & (len(t.exact) - 1); t.exact[b] != 0; b = (b + 1) & (len(t.exact) - 1) {
		if i := t.exact[b] - 1; t.hashes[i] == hash && t.rules[i].Key == key {
			return &t.rules[i]
		}
	}
	return nil
}

// Header returns what the table says of itself; the zero value for nil.
func (t *Table) Header() Header {
	if t == nil {
		return Header{}
	}
	return t.header
}

// Len returns the number of rules.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return len(t.rules)
}

// Rules yields all rules, in the order in which they were given. Their Nodes must not be changed.
func (t *Table) Rules() iter.Seq[Rule] {
	return func(yield func(Rule) bool) {
		for i := range t.Len() {
			if !yield(t.rules[i]) {
				return
			}
		}
	}
}

// At returns the table without what has expired by now: itself if that is nothing, nil if it is all of it.
func (t *Table) At(now time.Time) *Table {
	expired := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if t == nil || expired(t.header.Expires) {
		return nil
	}
	return t.filtered(func(r *Rule) bool { return !expired(r.Expires) })
}

// ForView returns the table as it applies to the node list with that name. To another node list than its own the names of
// nodes mean nothing: rules that need them are left out, the others stay.
func (t *Table) ForView(view string) *Table {
	if t == nil || t.header.View == "" || t.header.View == view {
		return t
	}
	return t.filtered(func(r *Rule) bool { return len(r.Action.Nodes) == 0 })
}

// Explicit returns the table without its automatic rules.
func (t *Table) Explicit() *Table {
	if t == nil {
		return nil
	}
	return t.filtered(func(r *Rule) bool { return r.Origin == Explicit })
}

// WithoutEnding returns the table without the pins that end: they decide about nothing.
func (t *Table) WithoutEnding() *Table {
	if t == nil {
		return nil
	}
	return t.filtered(func(r *Rule) bool { return !r.Action.Ends })
}

// CheckNodes returns a *TableError for the first node that a rule names and that is not known. A pin that ends may name one
// that has gone.
func (t *Table) CheckNodes(known func(node string) bool) error {
	for i := range t.Len() {
		for j, n := range t.rules[i].Action.Nodes {
			if !known(n) && !t.rules[i].Action.Ends {
				return &TableError{fmt.Sprintf("rules[%d].nodes[%d]", i, j), "unknown node"}
			}
		}
	}
	return nil
}

// WithNodes returns the table without the rules that name a node that is not known.
func (t *Table) WithNodes(known func(node string) bool) *Table {
	if t == nil {
		return nil
	}
	return t.filtered(func(r *Rule) bool {
		return !slices.ContainsFunc(r.Action.Nodes, func(n string) bool { return !known(n) })
	})
}

// WithRemedies returns the table with an automatic rule for each remedy that does something, in place of the automatic
// rules that it had; the header stays. A Pin must have been given its Nodes. The error is a *TableError.
func (t *Table) WithRemedies(remedies []Remedy) (*Table, error) {
	rules := slices.Collect(t.Explicit().Rules())
	for _, r := range remedies {
		if r.Decision.Action.Kind != None {
			rules = append(rules, Rule{Key: r.Key.Name, Action: r.Decision.Action, Origin: Automatic})
		}
	}
	return NewTable(t.Header(), rules)
}

// filtered returns a table of the rules that keep wants: t itself if that is all.
func (t *Table) filtered(keep func(*Rule) bool) *Table {
	var rules []Rule
	for i := range t.rules {
		if keep(&t.rules[i]) {
			rules = append(rules, t.rules[i])
		}
	}
	if len(rules) == len(t.rules) {
		return t
	}
	return newTable(t.header, rules)
}
