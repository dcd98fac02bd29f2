package mcjson

import (
	"math"
	"slices"
)

// arg expands the argument of that name; it must be there.
func (c *call) arg(name string) (*Value, error) {
	return c.e.expand(c.args[name], c.scope)
}

// argOf is arg for an argument that must be of one of the kinds.
func (c *call) argOf(name string, kinds ...Kind) (*Value, error) {
	v, err := c.arg(name)
	if err != nil {
		return nil, err
	}
	return v, c.wantKind(name, v, kinds...)
}

func (c *call) wantKind(name string, v *Value, kinds ...Kind) error {
	if slices.Contains(kinds, v.Kind) {
		return nil
	}
	want := kinds[0].String()
	for _, kind := range kinds[1:] {
		want += " or " + kind.String()
	}
	return c.errorf("%s is %s, want %s", name, v.Kind, want)
}

// made seals a value that the call made.
func (c *call) made(v Value) (*Value, error) {
	v.Pos, v.frame = c.at.Pos, c.scope.frame
	v.seal()
	return &v, v.check()
}

func (c *call) madeBool(b bool) (*Value, error)      { return c.made(Value{Kind: Bool, Bool: b}) }
func (c *call) madeInt(i int64) (*Value, error)      { return c.made(Value{Kind: Int, Int: i}) }
func (c *call) madeText(s string) (*Value, error)    { return c.made(Value{Kind: String, Str: s}) }
func (c *call) madeArray(v []*Value) (*Value, error) { return c.made(Value{Kind: Array, Items: v}) }

func (c *call) madeObject(m *members) (*Value, error) {
	return c.made(Value{Kind: Object, Members: m.list, index: m.index})
}

// text returns a string inside of a value that the call makes.
func (c *call) text(s string) *Value {
	v := text(s, c.at.Pos)
	v.frame = c.scope.frame
	return v
}

// int returns a number inside of a value that the call makes.
func (c *call) int(i int64) *Value {
	return (&Value{Kind: Int, Int: i, Pos: c.at.Pos, frame: c.scope.frame}).seal()
}

// spend counts n values that the call is about to handle.
func (c *call) spend(n int) error {
	return c.e.spend(valueSize*int64(n), c.at, c.scope)
}

// spendOn counts the size of values that the call is about to walk through.
func (c *call) spendOn(values ...*Value) error {
	for _, v := range values {
		if err := c.e.spend(v.size, c.at, c.scope); err != nil {
			return err
		}
	}
	return nil
}

// fromGo returns a parameter's value.
func fromGo(v any, pos Pos, depth int) (*Value, error) {
	made := &Value{Pos: pos}
	if depth == maxDepth {
		return nil, limitError(pos, nil, "values are nested more than %d deep", maxDepth)
	}
	switch v := v.(type) {
	case nil:
	case bool:
		made.Kind, made.Bool = Bool, v
	case int:
		made.Kind, made.Int = Int, int64(v)
	case int64:
		made.Kind, made.Int = Int, v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, made.Errorf("%v is no number of JSON", v)
		}
		made.Kind, made.Float = Float, v
	case string:
		made.Kind, made.Str = String, v
	case []any:
		return fromSlice(v, pos, depth)
	case map[string]any:
		return fromMap(v, pos, depth)
	default:
		return nil, made.Errorf("a value of type %T is no value of JSON", v)
	}
	return made.seal(), made.check()
}

func fromSlice(list []any, pos Pos, depth int) (*Value, error) {
	made := &Value{Kind: Array, Pos: pos}
	for _, item := range list {
		v, err := fromGo(item, pos, depth+1)
		if err != nil {
			return nil, err
		}
		made.Items = append(made.Items, v)
	}
	return made.seal(), made.check()
}

// fromMap sorts the members by name: a map has no order.
func fromMap(object map[string]any, pos Pos, depth int) (*Value, error) {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	var list members
	for _, name := range names {
		v, err := fromGo(object[name], pos, depth+1)
		if err != nil {
			return nil, err
		}
		list.add(Member{Name: name, Pos: pos, Value: v})
	}
	made := list.object(pos, nil)
	return made, made.check()
}
