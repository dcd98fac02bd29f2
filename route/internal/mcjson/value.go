package mcjson

import "fmt"

// Kind is the type of a Value.
type Kind uint8

// The kinds of values. JSON's numbers are Int or Float, as in mcrouter: Int has neither fraction nor exponent.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	Array
	Object
)

// String returns the kind's name in an error: "null", "bool", "int", "float", "string", "array", "object".
func (k Kind) String() string {
	names := [...]string{"null", "bool", "int", "float", "string", "array", "object"}
	if int(k) >= len(names) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return names[k]
}

// Pos is a place in a file. Line and Column count from 1; Column counts bytes, as Go's tools do. Line is 0 if the value comes
// from no file; File then says whence.
type Pos struct {
	File         string
	Line, Column int
}

// String returns file:line:column, or File alone if there is no line.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Value is one value of a configuration: the field that belongs to its Kind is set. Values are made by Parse and Expand
// only, and are shared: treat them as read-only. Safe for concurrent use.
type Value struct {
	Kind    Kind
	Bool    bool
	Int     int64
	Float   float64
	Str     string   // of a String
	Items   []*Value // of an Array
	Members []Member // of an Object, in the order of the file
	Pos     Pos

	index map[string]int // of Members by name, if they are many
	frame *frame         // the macro call that made it; nil outside of macros
	size  int64          // what it costs with all that is inside it
	depth int            // 1 for a scalar
}

// Member is one member of an object. Pos is the place of its name.
type Member struct {
	Name  string
	Pos   Pos
	Value *Value
}

// Get returns the member of that name, nil if there is none or if v is no object.
func (v *Value) Get(name string) *Value {
	if i := v.find(name); i >= 0 {
		return v.Members[i].Value
	}
	return nil
}

// Number returns an Int or a Float as a float64; ok is false for other kinds.
func (v *Value) Number() (number float64, ok bool) {
	switch v.Kind {
	case Int:
		return float64(v.Int), true
	case Float:
		return v.Float, true
	}
	return 0, false
}

// Errorf returns an *Error with the place of v and the macro calls that made it.
func (v *Value) Errorf(format string, args ...any) error {
	return &Error{Pos: v.Pos, Reason: fmt.Sprintf(format, args...), Calls: v.frame.calls()}
}

// find returns the member's position, -1 if there is none.
func (v *Value) find(name string) int {
	if v.index != nil {
		if i, ok := v.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range v.Members {
		if v.Members[i].Name == name {
			return i
		}
	}
	return -1
}

// The bounds of a tree. Sizes are about bytes of memory: a value counts as valueSize, and its texts by their length.
const (
	valueSize = 64
	maxSize   = 64 << 20
	maxDepth  = 200
)

// seal works out the size and the depth of a value whose other fields are set. Parts may be shared, so that a small value
// can stand for a huge tree; size is the tree's.
func (v *Value) seal() *Value {
	v.size, v.depth = valueSize+int64(len(v.Str)), 0
	for _, item := range v.Items {
		v.size += item.size
		v.depth = max(v.depth, item.depth)
	}
	for _, member := range v.Members {
		v.size += int64(len(member.Name)) + member.Value.size
		v.depth = max(v.depth, member.Value.depth)
	}
	v.depth++
	return v
}

// check returns an ErrLimit if v is too large or too deep.
func (v *Value) check() error {
	switch {
	case v.size > maxSize:
		return limitError(v.Pos, v.frame, "the configuration gets larger than %d MiB", maxSize>>20)
	case v.depth > maxDepth:
		return limitError(v.Pos, v.frame, "values are nested more than %d deep", maxDepth)
	}
	return nil
}

// indexFrom is the number of members from which an object has an index.
const indexFrom = 9

// members collects the members of an object, each name once.
type members struct {
	list  []Member
	index map[string]int
}

// find returns the position of the member of that name, -1 if there is none.
func (m *members) find(name string) int {
	object := Value{Members: m.list, index: m.index}
	return object.find(name)
}

// add appends a member whose name is new.
func (m *members) add(member Member) {
	m.list = append(m.list, member)
	switch {
	case m.index != nil:
		m.index[member.Name] = len(m.list) - 1
	case len(m.list) >= indexFrom:
		m.index = make(map[string]int, 2*len(m.list))
		for i := range m.list {
			m.index[m.list[i].Name] = i
		}
	}
}

// put adds a member or replaces the one of that name in its place.
func (m *members) put(member Member) {
	if i := m.find(member.Name); i >= 0 {
		m.list[i] = member
		return
	}
	m.add(member)
}

func (m *members) object(pos Pos, made *frame) *Value {
	v := &Value{Kind: Object, Members: m.list, index: m.index, Pos: pos, frame: made}
	return v.seal()
}

// WithText returns a String with the place of v and another text.
func (v *Value) WithText(text string) *Value {
	return (&Value{Kind: String, Str: text, Pos: v.Pos, frame: v.frame}).seal()
}

// NameValue returns m's name as a String, with the place of the name.
func (m *Member) NameValue() *Value {
	return (&Value{Kind: String, Str: m.Name, Pos: m.Pos, frame: m.Value.frame}).seal()
}
