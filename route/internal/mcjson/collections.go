package mcjson

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// addCollections enters the macros on objects, arrays and strings.
func addCollections(add adder) {
	add("keys", (*call).keys, "dictionary")
	add("values", (*call).values, "dictionary")
	add("size", (*call).size, "dictionary")
	add("set", (*call).set, "dictionary", "key", "value")
	add("slice", (*call).slice, "dictionary", "from", "to")
	add("merge", (*call).merge, "params")
	add("range", (*call).rangeInts, "from", "to")
	add("sort", (*call).sort, "dictionary")
	add("split", (*call).split, "dictionary", "delim")

	selects := add("select", (*call).selectOne, "dictionary", "key")
	selects.params = append(selects.params, param{name: "default", optional: true})
	shuffles := add("shuffle", (*call).shuffle, "dictionary")
	shuffles.params = append(shuffles.params, param{name: "seed", optional: true})
}

func (c *call) keys() (*Value, error) {
	object, err := c.argOf("dictionary", Object)
	if err != nil {
		return nil, err
	}
	if err := c.spend(len(object.Members)); err != nil {
		return nil, err
	}
	keys := make([]*Value, len(object.Members))
	for i, member := range object.Members {
		keys[i] = text(member.Name, member.Pos)
		keys[i].frame = object.frame
	}
	return c.madeArray(keys)
}

func (c *call) values() (*Value, error) {
	object, err := c.argOf("dictionary", Object)
	if err != nil {
		return nil, err
	}
	if err := c.spend(len(object.Members)); err != nil {
		return nil, err
	}
	values := make([]*Value, len(object.Members))
	for i, member := range object.Members {
		values[i] = member.Value
	}
	return c.madeArray(values)
}

func (c *call) size() (*Value, error) {
	v, err := c.argOf("dictionary", Object, Array, String)
	if err != nil {
		return nil, err
	}
	return c.madeInt(int64(length(v)))
}

// selectOne takes a member by its name, or an element by its index; negative ones count from the end.
func (c *call) selectOne() (*Value, error) {
	from, err := c.argOf("dictionary", Object, Array)
	if err != nil {
		return nil, err
	}
	want := Int
	if from.Kind == Object {
		want = String
	}
	key, err := c.argOf("key", want)
	if err != nil {
		return nil, err
	}
	if v := pick(from, key); v != nil {
		return v, nil
	}
	if c.args["default"] != nil {
		return c.arg("default")
	}
	if from.Kind == Object {
		return nil, c.errorf("there is no %q, and no default", shorten(key.Str))
	}
	return nil, c.errorf("there is no element %d of %d, and no default", key.Int, len(from.Items))
}

// pick returns a member or element, nil if there is none.
func pick(from, key *Value) *Value {
	if from.Kind == Object {
		return from.Get(key.Str)
	}
	i, count := key.Int, int64(len(from.Items))
	if i < 0 {
		i += count
	}
	if i < 0 || i >= count {
		return nil
	}
	return from.Items[i]
}

// set replaces an element, or adds or replaces a member, in a copy.
func (c *call) set() (*Value, error) {
	in, err := c.argOf("dictionary", Object, Array)
	if err != nil {
		return nil, err
	}
	key, err := c.arg("key")
	if err != nil {
		return nil, err
	}
	value, err := c.arg("value")
	if err != nil {
		return nil, err
	}
	if err := c.spend(length(in)); err != nil {
		return nil, err
	}
	if in.Kind == Object {
		return c.setMember(in, key, value)
	}
	if err := c.wantKind("key", key, Int); err != nil {
		return nil, err
	}
	if key.Int < 0 || key.Int >= int64(len(in.Items)) {
		return nil, c.errorf("there is no element %d of %d", key.Int, len(in.Items))
	}
	items := slices.Clone(in.Items)
	items[key.Int] = value
	return c.madeArray(items)
}

func (c *call) setMember(in, key, value *Value) (*Value, error) {
	if err := c.wantKind("key", key, String); err != nil {
		return nil, err
	}
	if err := c.spend(3 * len(in.Members)); err != nil { // the copy's index costs more than the copy
		return nil, err
	}
	var all members
	for _, member := range in.Members {
		all.add(member)
	}
	all.put(Member{Name: key.Str, Pos: key.Pos, Value: value})
	return c.madeObject(&all)
}

// slice takes the elements or bytes of an index from..to, or the members of a name within from..to. Both ends belong to it.
func (c *call) slice() (*Value, error) {
	in, err := c.argOf("dictionary", Object, Array, String)
	if err != nil {
		return nil, err
	}
	want := Int
	if in.Kind == Object {
		want = String
	}
	from, err := c.argOf("from", want)
	if err != nil {
		return nil, err
	}
	to, err := c.argOf("to", want)
	if err != nil {
		return nil, err
	}
	if err := c.spendOn(in); err != nil {
		return nil, err
	}
	if in.Kind == Object {
		return c.sliceMembers(in, from.Str, to.Str)
	}
	begin, end := clamp(from.Int, to.Int, length(in))
	if in.Kind == Array {
		return c.madeArray(slices.Clone(in.Items[begin:end]))
	}
	part := in.Str[begin:end]
	if !utf8.ValidString(part) {
		return nil, c.errorf("bytes %d to %d of the string cut a character", from.Int, to.Int)
	}
	return c.madeText(part)
}

func (c *call) sliceMembers(in *Value, from, to string) (*Value, error) {
	var part members
	for _, member := range in.Members {
		if from <= member.Name && member.Name <= to {
			part.add(member)
		}
	}
	return c.madeObject(&part)
}

// clamp turns inclusive bounds into those of a Go slice of count elements.
func clamp(from, to int64, count int) (begin, end int) {
	last := min(to, int64(count)-1)
	first := max(from, 0)
	if first > last {
		return 0, 0
	}
	return int(first), int(last) + 1
}

// merge joins arrays or strings, or puts objects together: a later member replaces an earlier one of its name.
func (c *call) merge() (*Value, error) {
	params, err := c.argOf("params", Array)
	if err != nil {
		return nil, err
	}
	if len(params.Items) == 0 {
		return nil, c.errorf("params is empty")
	}
	if err := c.spendOn(params); err != nil {
		return nil, err
	}
	kind := params.Items[0].Kind
	for _, part := range params.Items {
		if err := c.wantKind("each of params", part, kind); err != nil {
			return nil, err
		}
	}
	switch kind {
	case Array:
		return c.mergeArrays(params.Items)
	case Object:
		return c.mergeObjects(params.Items)
	case String:
		return c.mergeStrings(params.Items)
	}
	return nil, c.errorf("params begins with %s, want array or object or string", kind)
}

func (c *call) mergeArrays(parts []*Value) (*Value, error) {
	var all []*Value
	for _, part := range parts {
		all = append(all, part.Items...)
	}
	return c.madeArray(all)
}

func (c *call) mergeObjects(parts []*Value) (*Value, error) {
	var all members
	for _, part := range parts {
		for _, member := range part.Members {
			all.put(member)
		}
	}
	return c.madeObject(&all)
}

func (c *call) mergeStrings(parts []*Value) (*Value, error) {
	var all strings.Builder
	for _, part := range parts {
		all.WriteString(part.Str)
	}
	return c.madeText(all.String())
}

// rangeInts lists the ints from..to, both included.
func (c *call) rangeInts() (*Value, error) {
	from, err := c.argOf("from", Int)
	if err != nil {
		return nil, err
	}
	to, err := c.argOf("to", Int)
	if err != nil {
		return nil, err
	}
	if to.Int < from.Int {
		return c.madeArray(nil)
	}
	count := uint64(to.Int) - uint64(from.Int)                            // one less: all 2^64 would not fit
	if err := c.spend(int(min(count, math.MaxInt32-1)) + 1); err != nil { // within an int of 32 bits
		return nil, err
	}
	list := make([]*Value, 0, count+1)
	for i := from.Int; ; i++ {
		list = append(list, c.int(i))
		if i == to.Int {
			return c.madeArray(list)
		}
	}
}

func (c *call) sort() (*Value, error) {
	list, err := c.argOf("dictionary", Array)
	if err != nil {
		return nil, err
	}
	for range 20 { // every element takes part in about log2(n) comparisons
		if err := c.spendOn(list); err != nil {
			return nil, err
		}
	}
	sorted := slices.Clone(list.Items)
	ordered := true
	slices.SortStableFunc(sorted, func(a, b *Value) int {
		order, ok := compare(a, b)
		ordered = ordered && ok
		return order
	})
	if !ordered {
		return nil, c.errorf("objects have no order")
	}
	return c.madeArray(sorted)
}

// split cuts a string at each delim. An empty delim cuts nowhere.
func (c *call) split() (*Value, error) {
	whole, err := c.argOf("dictionary", String)
	if err != nil {
		return nil, err
	}
	delim, err := c.argOf("delim", String)
	if err != nil {
		return nil, err
	}
	parts := []string{whole.Str}
	if delim.Str != "" {
		if err := c.spend(strings.Count(whole.Str, delim.Str) + 1); err != nil {
			return nil, err
		}
		parts = strings.Split(whole.Str, delim.Str)
	}
	list := make([]*Value, len(parts))
	for i, part := range parts {
		list[i] = c.text(part)
	}
	return c.madeArray(list)
}
