package mcjson

import (
	"fmt"
	"slices"
)

// macro is a built-in macro or one that the configuration defines.
type macro struct {
	name   string
	params []param
	run    func(*call) (*Value, error)
}

type param struct {
	name     string
	optional bool
	value    *Value // the default, nil if there is none
}

// call is one call of a macro.
type call struct {
	e     *expander
	macro *macro
	at    *Value            // the string or object that calls
	args  map[string]*Value // not expanded; no entry where an optional one is left out
	scope *scope            // the caller's
}

// calledByObject returns the macro that an object of this type calls, nil if there is none.
func (e *expander) calledByObject(name *Value) *macro {
	if name.Kind != String {
		return nil
	}
	if loop := e.loops[name.Str]; loop != nil {
		return loop
	}
	return e.macros[name.Str]
}

// callString runs "@name(arg,arg)".
func (e *expander) callString(m *macro, at *Value, args []string, s *scope) (*Value, error) {
	c := &call{e: e, macro: m, at: at, args: make(map[string]*Value, len(args)), scope: s}
	if len(args) > len(m.params) {
		return nil, c.errorf("%d arguments, want at most %d", len(args), len(m.params))
	}
	for i, arg := range args {
		c.args[m.params[i].name] = text(arg, at.Pos)
	}
	return c.run()
}

// callObject runs {"type": "name", "param": arg}.
func (e *expander) callObject(m *macro, at *Value, s *scope) (*Value, error) {
	c := &call{e: e, macro: m, at: at, args: make(map[string]*Value, len(m.params)), scope: s}
	for _, member := range at.Members {
		if m.takes(member.Name) {
			c.args[member.Name] = member.Value
		} else if member.Name != "type" && member.Name != "vars" {
			c.warn(member.Pos, fmt.Sprintf("macro %q has no parameter %q; it is ignored", m.name, member.Name))
		}
	}
	return c.run()
}

func (c *call) run() (*Value, error) {
	for _, p := range c.macro.params {
		if c.args[p.name] == nil && !p.optional {
			return nil, c.errorf("there is no argument %q", p.name)
		}
	}
	return c.macro.run(c)
}

func (m *macro) takes(name string) bool {
	return slices.ContainsFunc(m.params, func(p param) bool { return p.name == name })
}

// errorf returns an error at the place of the call.
func (c *call) errorf(format string, args ...any) error {
	return c.scope.errorAt(c.at.Pos, "%s: %s", c.macro.name, fmt.Sprintf(format, args...))
}

func (c *call) warn(pos Pos, reason string) {
	if c.e.options.Warn != nil {
		c.e.options.Warn(&Error{Pos: pos, Reason: reason, Calls: c.scope.frame.calls()})
	}
}

// frame is the call as the values that it makes keep it.
func (c *call) frame() *frame {
	return &frame{macro: c.macro.name, pos: c.at.Pos, outer: c.scope.frame}
}

// define takes the definitions of the member "macros": an object, or an array of such.
func (e *expander) define(v *Value) error {
	if v.Kind != Array {
		var err error
		if v, err = e.expand(v, &scope{}); err != nil {
			return err
		}
	}
	switch v.Kind {
	case Array:
		for _, item := range v.Items {
			if err := e.define(item); err != nil {
				return err
			}
		}
		return nil
	case Object:
		for _, member := range v.Members {
			if err := e.defineOne(member); err != nil {
				return err
			}
		}
		return nil
	}
	return v.Errorf("macros is %s, want object or array", v.Kind)
}

// defineOne takes a macroDef or constDef. A later definition replaces an earlier one, a built-in macro and a global
// parameter: an imported library can be overridden.
func (e *expander) defineOne(member Member) error {
	kind := member.Value.Get("type")
	if kind == nil || !isDefinition(kind) {
		return member.Value.Errorf("definition of %q: want an object of type macroDef or constDef", member.Name)
	}
	result := member.Value.Get("result")
	if result == nil {
		return member.Value.Errorf("definition of %q: there is no result", member.Name)
	}
	if kind.Str == "constDef" {
		e.constants[member.Name] = &constant{name: member.Name, raw: result}
		return nil
	}
	params, err := parseParams(member)
	if err != nil {
		return err
	}
	e.macros[member.Name] = &macro{name: member.Name, params: params, run: func(c *call) (*Value, error) {
		return c.runDefined(result)
	}}
	return nil
}

// runDefined expands a macro's result with its arguments as parameters. All arguments are expanded first, used or not.
func (c *call) runDefined(result *Value) (*Value, error) {
	inner := &scope{frame: c.frame(), locals: make(map[string]*local, len(c.macro.params))}
	for _, p := range c.macro.params {
		v := p.value
		if c.args[p.name] != nil {
			var err error
			if v, err = c.arg(p.name); err != nil {
				return nil, err
			}
		}
		if v != nil {
			inner.bind(p.name, v)
		}
	}
	return c.e.expand(result, inner)
}

// parseParams reads the member "params" of a macroDef.
func parseParams(definition Member) ([]param, error) {
	list := definition.Value.Get("params")
	if list == nil {
		return nil, nil
	}
	if list.Kind != Array {
		return nil, list.Errorf("definition of %q: params is %s, want array", definition.Name, list.Kind)
	}
	params := make([]param, 0, len(list.Items))
	seen := make(map[string]bool, len(list.Items))
	for i, item := range list.Items {
		p, err := parseParam(item)
		if err != nil {
			return nil, err
		}
		if seen[p.name] {
			return nil, item.Errorf("parameter %q is given twice", p.name)
		}
		if !p.optional && i > 0 && params[i-1].optional {
			return nil, item.Errorf("parameter %q must have a default or be optional, as the one before it", p.name)
		}
		seen[p.name] = true
		params = append(params, p)
	}
	return params, nil
}

// parseParam reads a name, or an object with name and perhaps default or optional.
func parseParam(v *Value) (param, error) {
	if v.Kind == String {
		return param{name: v.Str}, nil
	}
	name := v.Get("name")
	if name == nil || name.Kind != String {
		return param{}, v.Errorf("a parameter is a name, or an object with the string \"name\"")
	}
	p := param{name: name.Str, value: v.Get("default")}
	p.optional = p.value != nil
	if p.value != nil && p.value.Kind == Null {
		p.value = nil // null is no default: the parameter is undefined where it is left out
	}
	if optional := v.Get("optional"); optional != nil {
		if optional.Kind != Bool {
			return param{}, optional.Errorf("optional is %s, want bool", optional.Kind)
		}
		if p.optional && !optional.Bool {
			return param{}, optional.Errorf("parameter %q has a default but is not optional", p.name)
		}
		p.optional = optional.Bool
	}
	return p, nil
}
