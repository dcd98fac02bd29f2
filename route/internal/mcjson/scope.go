package mcjson

import "fmt"

// scope is what names mean where a value is written: the variables and loop names around it, up to the macro whose result
// it is in, whose parameters are the outermost scope. Constants are beyond.
type scope struct {
	outer  *scope
	frame  *frame // the macro call
	locals map[string]*local
}

// local is one name. A variable is expanded when it is first needed, since variables may refer to each other.
type local struct {
	raw   *Value
	value *Value // nil until expanded
	busy  bool   // being expanded
}

// inner returns a scope inside s.
func (s *scope) inner() *scope {
	return &scope{outer: s, frame: s.frame, locals: make(map[string]*local)}
}

// bind gives a name its value.
func (s *scope) bind(name string, v *Value) { s.locals[name] = &local{value: v} }

func (s *scope) errorAt(pos Pos, format string, args ...any) error {
	return &Error{Pos: pos, Reason: fmt.Sprintf(format, args...), Calls: s.frame.calls()}
}

// find returns the innermost scope that has the name, nil if none has.
func (s *scope) find(name string) *scope {
	for ; s != nil; s = s.outer {
		if s.locals[name] != nil {
			return s
		}
	}
	return nil
}

// withVars returns a scope with the variables of a member "vars".
func (e *expander) withVars(vars *Value, outer *scope) (*scope, error) {
	if vars.Kind != Object {
		return nil, outer.errorAt(vars.Pos, "vars is %s, want object", vars.Kind)
	}
	s := outer.inner()
	for _, member := range vars.Members {
		s.locals[member.Name] = &local{raw: member.Value}
	}
	for _, member := range vars.Members {
		if _, err := e.variable(member.Name, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// variable returns the value of a name of s itself.
func (e *expander) variable(name string, s *scope) (*Value, error) {
	l := s.locals[name]
	if l.value != nil {
		return l.value, nil
	}
	if l.busy {
		return nil, s.errorAt(l.raw.Pos, "variable %q refers to itself", name)
	}
	l.busy = true
	defer func() { l.busy = false }()
	var err error
	l.value, err = e.expand(l.raw, s)
	return l.value, err
}

// constant is a global parameter or a constDef, expanded when it is first needed.
type constant struct {
	name  string
	raw   *Value
	value *Value // nil until expanded
	busy  bool
}

func (e *expander) constant(c *constant) (*Value, error) {
	if c.value != nil {
		return c.value, nil
	}
	if c.busy {
		return nil, c.raw.Errorf("constant %q refers to itself", c.name)
	}
	c.busy = true
	defer func() { c.busy = false }()
	var err error
	c.value, err = e.expand(c.raw, &scope{})
	return c.value, err
}

// lookup returns what %name% stands for in the string at.
func (e *expander) lookup(name string, at *Value, s *scope) (*Value, error) {
	if owner := s.find(name); owner != nil {
		return e.variable(name, owner)
	}
	if c := e.constants[name]; c != nil {
		return e.constant(c)
	}
	return nil, s.errorAt(at.Pos, "%%%s%% is no parameter, variable or constant here", name)
}
