package mcjson

// Options are what a configuration can refer to outside of its file.
type Options struct {
	// Import returns the file that @import names, path being what the configuration says. ImportFrom makes one for a
	// directory. nil makes every import fail.
	Import func(path string) ([]byte, error)

	// Params are the global parameters: what %name% stands for where no local name and no constDef says otherwise. mcrouter
	// has default-route, default-region, default-cluster, hostid, router-name, service-name, service-router-capable,
	// router-info-name, num-proxies, those of --config-params, and its numbers and switches as mcr_opts-<option>, in strings.
	// Values are nil, bool, int, int64, float64, string, []any and map[string]any of these.
	Params map[string]any

	// Warn gets what mcrouter ignores in silence: members of a call that the macro has no parameter for, and the reason why
	// an import's default was taken. nil ignores it as well.
	Warn func(*Error)
}

// Expand works out the macros of config, an object, and returns it without them and without its member "macros". The error is
// an *Error. config is unchanged, and usable after an error.
func Expand(config *Value, o Options) (*Value, error) {
	if config.Kind != Object {
		return nil, config.Errorf("the configuration is %s, want object", config.Kind)
	}
	e, err := newExpander(o)
	if err != nil {
		return nil, err
	}
	rest := members{}
	for _, member := range config.Members {
		if member.Name != "macros" {
			rest.add(member)
			continue
		}
		if err := e.define(member.Value); err != nil {
			return nil, err
		}
	}
	return e.expand(rest.object(config.Pos, nil), &scope{})
}

// The bounds of an expansion, beside those of a tree. The work of a step is valueSize, that of handling text its length.
const (
	maxCalls = 250
	maxWork  = 128 << 20
)

type expander struct {
	options   Options
	macros    map[string]*macro
	loops     map[string]*macro // as objects only
	constants map[string]*constant
	imports   map[string]*Value // by path
	importing map[string]bool
	depth     int
	work      int64
}

func newExpander(o Options) (*expander, error) {
	e := &expander{
		options:   o,
		macros:    builtins(),
		loops:     loops(),
		constants: make(map[string]*constant, len(o.Params)),
		imports:   make(map[string]*Value),
		importing: make(map[string]bool),
	}
	for name, param := range o.Params {
		v, err := fromGo(param, Pos{File: "parameter " + name}, 0)
		if err != nil {
			return nil, err
		}
		e.constants[name] = &constant{name: name, value: v}
	}
	return e, nil
}

// expand returns v without macros, in the scope where v is written.
func (e *expander) expand(v *Value, s *scope) (*Value, error) {
	if e.depth++; e.depth > maxCalls {
		return nil, limitError(v.Pos, s.frame, "calls are nested more than %d deep: is there a cycle?", maxCalls)
	}
	defer func() { e.depth-- }()
	if err := e.spend(valueSize+int64(len(v.Str)), v, s); err != nil {
		return nil, err
	}
	switch v.Kind {
	case String:
		return e.expandString(v, s)
	case Array:
		return e.expandArray(v, s)
	case Object:
		return e.expandObject(v, s)
	}
	return literal(v, s), nil
}

// spend counts work that is done for v, before it is done.
func (e *expander) spend(work int64, v *Value, s *scope) error {
	if e.work += work; e.work > maxWork || work > maxSize {
		return limitError(v.Pos, s.frame, "expanding the macros takes too many steps")
	}
	return nil
}

// literal returns v as the call of s made it.
func literal(v *Value, s *scope) *Value {
	if s.frame == nil {
		return v
	}
	made := *v
	made.frame = s.frame
	return &made
}

func (e *expander) expandArray(v *Value, s *scope) (*Value, error) {
	items := make([]*Value, len(v.Items))
	for i, item := range v.Items {
		var err error
		if items[i], err = e.expand(item, s); err != nil {
			return nil, err
		}
	}
	made := (&Value{Kind: Array, Items: items, Pos: v.Pos, frame: s.frame}).seal()
	return made, made.check()
}

// expandObject expands a call of a macro, or an object that is none.
func (e *expander) expandObject(v *Value, s *scope) (*Value, error) {
	if vars := v.Get("vars"); vars != nil {
		var err error
		if s, err = e.withVars(vars, s); err != nil {
			return nil, err
		}
	}
	if name := v.Get("type"); name != nil {
		expanded, err := e.expand(name, s)
		if err != nil {
			return nil, err
		}
		if isDefinition(expanded) {
			return v, nil
		}
		if m := e.calledByObject(expanded); m != nil {
			return e.callObject(m, v, s)
		}
	}
	return e.expandMembers(v, s)
}

// isDefinition reports whether an object of this type defines a macro or constant. Its members are expanded in calls only.
func isDefinition(name *Value) bool {
	return name.Kind == String && (name.Str == "macroDef" || name.Str == "constDef")
}

func (e *expander) expandMembers(v *Value, s *scope) (*Value, error) {
	var result members
	for _, member := range v.Members {
		if member.Name == "vars" {
			continue
		}
		name, err := e.expandName(member, s)
		if err != nil {
			return nil, err
		}
		if i := result.find(name); i >= 0 {
			return nil, s.errorAt(member.Pos, "key %q expands to %q, as the one at %s does", member.Name, name, result.list[i].Pos)
		}
		value, err := e.expand(member.Value, s)
		if err != nil {
			return nil, err
		}
		result.add(Member{Name: name, Pos: member.Pos, Value: value})
	}
	made := result.object(v.Pos, s.frame)
	return made, made.check()
}

func (e *expander) expandName(member Member, s *scope) (string, error) {
	name, err := e.expand(text(member.Name, member.Pos), s)
	if err != nil {
		return "", err
	}
	if name.Kind != String {
		return "", s.errorAt(member.Pos, "key %q expands to %s, want string", member.Name, name.Kind)
	}
	return name.Str, nil
}

// text returns a String.
func text(s string, pos Pos) *Value {
	return (&Value{Kind: String, Str: s, Pos: pos}).seal()
}
