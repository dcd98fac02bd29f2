package mcjson

import (
	"cmp"
	"strings"
)

// addTests enters the macros that answer a bool, and if.
func addTests(add adder) {
	add("if", (*call).choose, "condition", "is_true", "is_false")
	add("and", func(c *call) (*Value, error) { return c.logic(false) }, "A", "B")
	add("or", func(c *call) (*Value, error) { return c.logic(true) }, "A", "B")
	add("not", (*call).not, "A")
	add("equals", (*call).equals, "A", "B")
	add("less", (*call).less, "A", "B")
	add("contains", (*call).contains, "dictionary", "key")
	add("empty", (*call).empty, "dictionary")
	for name, kind := range map[string]Kind{
		"isArray": Array, "isBool": Bool, "isDouble": Float, "isInt": Int, "isObject": Object, "isString": String,
	} {
		add(name, func(c *call) (*Value, error) { return c.isKind(kind) }, "value")
	}
}

// choose expands one branch only.
func (c *call) choose() (*Value, error) {
	condition, err := c.argOf("condition", Bool)
	if err != nil {
		return nil, err
	}
	if condition.Bool {
		return c.arg("is_true")
	}
	return c.arg("is_false")
}

// logic is and (decided by false) or or (decided by true). It expands B only if A has not decided.
func (c *call) logic(decides bool) (*Value, error) {
	a, err := c.argOf("A", Bool)
	if err != nil {
		return nil, err
	}
	if a.Bool == decides {
		return c.madeBool(decides)
	}
	b, err := c.argOf("B", Bool)
	if err != nil {
		return nil, err
	}
	return c.madeBool(b.Bool)
}

func (c *call) not() (*Value, error) {
	a, err := c.argOf("A", Bool)
	if err != nil {
		return nil, err
	}
	return c.madeBool(!a.Bool)
}

func (c *call) isKind(kind Kind) (*Value, error) {
	v, err := c.arg("value")
	if err != nil {
		return nil, err
	}
	return c.madeBool(v.Kind == kind)
}

// pair expands A and B, which are about to be compared.
func (c *call) pair() (a, b *Value, err error) {
	if a, err = c.arg("A"); err != nil {
		return nil, nil, err
	}
	if b, err = c.arg("B"); err != nil {
		return nil, nil, err
	}
	return a, b, c.spendOn(a, b)
}

func (c *call) equals() (*Value, error) {
	a, b, err := c.pair()
	if err != nil {
		return nil, err
	}
	return c.madeBool(equal(a, b))
}

func (c *call) less() (*Value, error) {
	a, b, err := c.pair()
	if err != nil {
		return nil, err
	}
	order, ok := compare(a, b)
	if !ok {
		return nil, c.errorf("objects have no order")
	}
	return c.madeBool(order < 0)
}

// contains looks for a key in an object, an element in an array, or text in a string.
func (c *call) contains() (*Value, error) {
	in, err := c.argOf("dictionary", Object, Array, String)
	if err != nil {
		return nil, err
	}
	key, err := c.arg("key")
	if err != nil {
		return nil, err
	}
	if in.Kind == Array {
		return c.hasItem(in, key)
	}
	if err := c.wantKind("key", key, String); err != nil {
		return nil, err
	}
	if in.Kind == Object {
		return c.madeBool(in.Get(key.Str) != nil)
	}
	if err := c.spendOn(in); err != nil {
		return nil, err
	}
	return c.madeBool(strings.Contains(in.Str, key.Str))
}

func (c *call) hasItem(list, key *Value) (*Value, error) {
	if err := c.spendOn(list); err != nil {
		return nil, err
	}
	for _, item := range list.Items {
		if equal(item, key) {
			return c.madeBool(true)
		}
	}
	return c.madeBool(false)
}

func (c *call) empty() (*Value, error) {
	v, err := c.argOf("dictionary", Object, Array, String)
	if err != nil {
		return nil, err
	}
	return c.madeBool(length(v) == 0)
}

// length is the number of an object's members, an array's elements or a string's bytes.
func length(v *Value) int { return len(v.Members) + len(v.Items) + len(v.Str) }

// equal compares whole values. An Int and a Float are equal if they are the same number; the order of members does not matter.
func equal(a, b *Value) bool {
	if a == b {
		return true
	}
	if isNumber(a) && isNumber(b) {
		return compareNumbers(a, b) == 0
	}
	if a.Kind != b.Kind || length(a) != length(b) {
		return false
	}
	for i := range a.Items {
		if !equal(a.Items[i], b.Items[i]) {
			return false
		}
	}
	for _, member := range a.Members {
		other := b.Get(member.Name)
		if other == nil || !equal(member.Value, other) {
			return false
		}
	}
	return a.Bool == b.Bool && a.Str == b.Str
}

func isNumber(v *Value) bool { return v.Kind == Int || v.Kind == Float }

func compareNumbers(a, b *Value) int {
	if a.Kind == Int && b.Kind == Int {
		return cmp.Compare(a.Int, b.Int)
	}
	x, _ := a.Number()
	y, _ := b.Number()
	return cmp.Compare(x, y)
}

// compare orders values as folly does: null, arrays, bools, numbers, strings, and within these by value. ok is false if an
// object decides.
func compare(a, b *Value) (order int, ok bool) {
	switch {
	case a.Kind == Object || b.Kind == Object:
		return 0, false
	case rank(a) != rank(b):
		return cmp.Compare(rank(a), rank(b)), true
	case isNumber(a):
		return compareNumbers(a, b), true
	case a.Kind == Array:
		return compareArrays(a.Items, b.Items)
	case a.Kind == Bool && a.Bool != b.Bool:
		if b.Bool {
			return -1, true
		}
		return 1, true
	}
	return strings.Compare(a.Str, b.Str), true
}

func compareArrays(a, b []*Value) (order int, ok bool) {
	for i := 0; i < len(a) && i < len(b); i++ {
		if order, ok := compare(a[i], b[i]); !ok || order != 0 {
			return order, ok
		}
	}
	return cmp.Compare(len(a), len(b)), true
}

// rank is the place of a kind in the order of compare.
func rank(v *Value) int {
	return [...]int{Null: 0, Array: 1, Bool: 2, Int: 3, Float: 3, Object: 4, String: 5}[v.Kind]
}
