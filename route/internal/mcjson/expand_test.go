package mcjson

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// expandText expands a configuration given as text, with the imports and parameters of these tests.
func expandText(text string, warnings *[]string) (*Value, error) {
	config, err := Parse([]byte(text), "f")
	if err != nil {
		return nil, err
	}
	return Expand(config, Options{
		Import: importTestFile,
		Params: map[string]any{"router": "proxy", "count": 3, "template": "macro"},
		Warn: func(warning *Error) {
			if warnings != nil {
				*warnings = append(*warnings, warning.Error())
			}
		},
	})
}

var errNoFile = errors.New("no such file")

func importTestFile(path string) ([]byte, error) {
	files := map[string]string{
		"text":      `"imported" // with a comment`,
		"macro":     `{"type": "macroDef", "params": ["p"], "result": "got %p%"}`,
		"library":   `{"lib": "@import(macro)", "libConst": {"type": "constDef", "result": "%router%!"}}`,
		"pools":     `{"A": {"servers": ["%router%:1"]}}`,
		"bad":       "{\n  \"a\": 1,,\n}",
		"fails":     "[\n  \"@fail(oh no)\"]",
		"self":      `["@import(self)"]`,
		"circle1":   `["@import(circle2, none)"]`,
		"circle2":   `["@import(circle1, none)"]`,
		"param":     `"%p%"`,
		"empty":     "",
		"scoped":    `{"vars": {"v": "in"}, "x": "%v%"}`,
		"withPlace": "[\n\n   5]",
	}
	text, ok := files[path]
	if !ok {
		return nil, errNoFile
	}
	return []byte(text), nil
}

// row is a configuration whose member "in" expands to want.
type row struct{ name, macros, in, want string }

func testRows(t *testing.T, rows []row) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			macros := row.macros
			if macros == "" {
				macros = "{}"
			}
			v, err := expandText(`{"macros": `+macros+`, "in": `+row.in+`}`, nil)
			require.NoError(t, err)
			require.Nil(t, v.Get("macros"))
			text, err := json.Marshal(plain(v.Get("in")))
			require.NoError(t, err)
			require.JSONEq(t, row.want, string(text))
			require.Equal(t, kindsOf(mustParse(t, row.want)), kindsOf(v.Get("in")), "1 is no 1.0")
		})
	}
}

// kindsOf lists the kinds of a value's scalars by their path.
func kindsOf(v *Value) any {
	switch v.Kind {
	case Array:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, kindsOf(item))
		}
		return list
	case Object:
		object := map[string]any{}
		for _, member := range v.Members {
			object[member.Name] = kindsOf(member.Value)
		}
		return object
	}
	return v.Kind.String()
}

func TestStrings(t *testing.T) {
	const macros = `{
		"word":  {"type": "macroDef", "result": "string"},
		"same":  {"type": "macroDef", "params": ["p"], "result": "%p%"},
		"twice": {"type": "macroDef", "params": ["p", {"name": "q", "default": "321"}], "result": "%p%%q%"},
		"call":  {"type": "macroDef", "params": ["name"], "result": "@%name%"},
		"nine":  {"type": "constDef", "result": 9},
		"none":  {"type": "constDef", "result": ""},
		"at":    {"type": "constDef", "result": "\\@"},
		"\\@":   {"type": "macroDef", "result": "\\@\\(\\\\\\)"},
		"odd":   {"type": "macroDef", "result": "@\\@"},
		"keys":  {"type": "macroDef", "params": ["p", "q"],
			"result": {"\\@a": "@%p%", "\\@b": "@%p%%q%", "@odd": "\\%a\\%%at%"}}
	}`
	testRows(t, []row{
		{"no macro", macros, `["", "a(b,c)", "100 \\%", "a@b", ")"]`, `["", "a(b,c)", "100 %", "a@b", ")"]`},
		{"call without brackets", macros, `"@word"`, `"string"`},
		{"empty argument", macros, `"@same()"`, `""`},
		{"blank argument", macros, `"@same(  )"`, `""`},
		{"escaped blank at the end", macros, `"@same(a\\ )"`, `"a "`},
		{"escaped backslash before the blank", macros, `"@same(\\\\ )"`, `"\\"`},
		{"escaped backslash, escaped blank", macros, `"@same(\\\\\\ )"`, `"\\ "`},
		{"escaped blanks", macros, `"@same(  \\   \\\\ \\   )"`, `"   \\  "`},
		{"escaped bracket", macros, `"@same(  \\)  )"`, `")"`},
		{"escaped comma", macros, `"@same(a\\,b)"`, `"a,b"`},
		{"closing bracket that is open nowhere", macros, `"@same(:-))"`, `":-)"`},
		{"brackets in an argument", macros, `"@twice(a(b,c)d, e)"`, `"a(b,c)de"`},
		{"brackets in the last argument", macros, `"@twice(e, a(b,c) )"`, `"ea(b,c)"`},
		{"call in an argument", macros, `"@twice(@same( a ),@twice(b,@word))"`, `"abstring"`},
		{"line feed between arguments", macros, "\"@twice(hello,\n  world)\"", `"helloworld"`},
		{"default", macros, `"@twice(@word)"`, `"string321"`},
		{"name from a parameter", macros, `"@call(word)"`, `"string"`},
		{"name made of parts", macros, `{"vars": {"w": "wo", "d": "rd"}, "x": "@%w%%d%"}`, `{"x": "string"}`},
		{"global parameter", macros, `["%router%", "<%router%>", "%count%"]`, `["proxy", "<proxy>", 3]`},
		{"a whole string keeps the type", macros, `["%nine%", "@same(%nine%)", "%none%%nine%"]`, `[9, 9, 9]`},
		{"a key", macros, `{"%router%": 1, "a%router%": 2}`, `{"proxy": 1, "aproxy": 2}`},
		{"escapes", macros, `"\\%\\\\\\x"`, `"%\\x"`},
		{"escapes in names", macros, `["@odd", "@o\\dd", "%a\\t%"]`, `["@(\\)", "@(\\)", "@"]`},
		{"escapes in results", macros, `"@keys(o\\dd,)"`, `{"@a": "@(\\)", "@b": "@(\\)", "@(\\)": "%a%@"}`},
		{"an expanded value is not expanded again", macros, `"@same(%at%word)"`, `"@word"`},
		{"not strings", macros, `[1, 1.5, null, true]`, `[1, 1.5, null, true]`},
	})
}

func TestParameters(t *testing.T) {
	const macros = `{
		"default":  {"type": "macroDef", "params": [{"name": "p", "default": 15}], "result": "%p%"},
		"raw":      {"type": "macroDef", "params": [{"name": "p", "default": "%q%"}], "result": "%p%"},
		"null":     {"type": "macroDef", "params": [{"name": "p", "default": null}], "result": "@defined(p)"},
		"optional": {"type": "macroDef", "params": [{"name": "p"}, {"name": "q", "optional": true}], "result": "@if(%p%, hello, %q%)"},
		"mixed":    {"type": "macroDef", "params": [{"name": "a", "default": true}, {"name": "b", "optional": true},
			{"name": "c", "default": true, "optional": true}, {"name": "d", "optional": true}], "result": "@if(%a%, @if(%c%, first, %d%), %b%)"},
		"router":   {"type": "constDef", "result": "overridden"},
		"size":     {"type": "macroDef", "result": "mine"}
	}`
	testRows(t, []row{
		{"default", macros, `"@default"`, `15`},
		{"default, object", macros, `{"type": "default"}`, `15`},
		{"default replaced", macros, `"@default(x)"`, `"x"`},
		{"default is not expanded", macros, `"@raw"`, `"%q%"`},
		{"null is no default", macros, `["@null", "@null(x)"]`, `[false, true]`},
		{"optional", macros, `["@optional(@bool(true))", "@optional(@bool(false), x)"]`, `["hello", "x"]`},
		{"optional, object", macros, `[{"type": "optional", "p": true}, {"type": "optional", "q": 1.5, "p": false}]`, `["hello", 1.5]`},
		{"mixed", macros, `["@mixed", "@mixed(@bool(false),b)", "@mixed(@bool(true),1,@bool(false),d)"]`, `["first", "b", "d"]`},
		{"the type of a call is expanded", macros, `{"vars": {"n": "default"}, "type": "%n%", "p": [1]}`, `[1]`},
		{"a constant overrides a parameter", macros, `"%router%"`, `"overridden"`},
		{"a macro overrides a built-in one", macros, `"@size"`, `"mine"`},
		{"an object of another type is data", macros, `{"type": "PoolRoute", "pool": "%router%"}`, `{"type": "PoolRoute", "pool": "overridden"}`},
		{"a type that is no string is data", macros, `{"type": 5}`, `{"type": 5}`},
		{"definitions are data outside of macros", macros, `{"type": "macroDef", "result": "%nowhere%"}`, `{"type": "macroDef", "result": "%nowhere%"}`},
	})
}

func TestDefinitions(t *testing.T) {
	testRows(t, []row{
		{"lists, and constants of constants", `[
			{"a": {"type": "constDef", "result": "A"}},
			[{"type": "merge", "params": [
				{"m": {"type": "macroDef", "params": ["p"], "result": "%c%%p%"}, "b": {"type": "constDef", "result": "%a%b"}},
				{"c": {"type": "constDef", "result": "%b%c"}}]},
			 {"d": {"type": "constDef", "result": "@m(d)"}, "A": {"type": "macroDef", "params": ["p"], "result": "%p%%p%"}}]]`,
			`["%a%", "%b%", "%c%", "%d%", "@%a%(%c%)"]`, `["A", "Ab", "Abc", "Abcd", "AbcAbc"]`},
		{"imported", `{"type": "merge", "params": [{"get": "@import(%template%)"}]}`, `"@get(x)"`, `"got x"`},
		{"an imported library", `["@import(library)", {"libConst": {"type": "constDef", "result": "mine"}}]`,
			`["@lib(x)", "%libConst%"]`, `["got x", "mine"]`},
		{"later in the list, earlier used", `[{"m": {"type": "macroDef", "params": ["v"],
			"result": {"x": {"type": "constDef", "result": "%v%"}}}}, "@m(5)"]`, `"%router%"`, `"proxy"`},
		{"constant of any type", `{"c": {"type": "constDef", "result": {"a": ["%count%"]}}}`, `"%c%"`, `{"a": [3]}`},
	})
}

func TestVariables(t *testing.T) {
	const macros = `{"hide": {"type": "macroDef", "params": ["p"], "result": {"vars": {"p": 1}, "x": "%p%"}}}`
	testRows(t, []row{
		{"of each other", "", `{"vars": {"a": "%b%", "b": "x"}, "k": "%a%"}`, `{"k": "x"}`},
		{"in a loop's object", "", `{"vars": {"a": "1"}, "type": "foreach", "from": ["x", "y"], "use": ["%item%%a%"]}`, `["x1", "y1"]`},
		{"of a loop's names", "", `{"type": "foreach", "from": {"a": "b", "c": "d"}, "use": {"vars": {"both": "%key%%item%"}, "%key%": "%both%"}}`,
			`{"a": "ab", "c": "cd"}`},
		{"nested", "", `{"vars": {"a": "1"}, "k": {"vars": {"b": "2", "c": "%a%%b%"}, "l": "%a%%b%%c%"}}`, `{"k": {"l": "1212"}}`},
		{"siblings", "", `{"a": {"vars": {"v": 1}, "x": "%v%"}, "b": {"vars": {"v": 2}, "x": "%v%"}}`, `{"a": {"x": 1}, "b": {"x": 2}}`},
		{"hide parameters", macros, `"@hide(2)"`, `{"x": 1}`},
		{"are hidden by a loop's names", "", `{"vars": {"item": 15}, "type": "transform", "dictionary": {"a": 1}, "itemTransform": "@add(%item%,@int(1))"}`, `{"a": 2}`},
		{"keep an outer loop's name", "", `{"type": "transform", "dictionary": {"a": 1}, "itemTransform": {"vars": {"k": "%key%"}, "type": "transform",
			"dictionary": "@range(@int(0),%item%)", "itemTransform": {"type": "merge", "params": ["%k%", "@str(%item%)"]}}}`, `{"a": ["a0", "a1"]}`},
	})
}

func TestDefined(t *testing.T) {
	const macros = `{"m": {"type": "macroDef", "params": ["a", {"name": "b", "optional": true}],
		"result": ["@defined(a)", "@defined(b)", "@defined(local)", "@defined(m)", "%a%"]}}`
	testRows(t, []row{
		{"parameter", "", `["@defined(router)", "@defined(nothing)"]`, `[true, false]`},
		{"loop name", "", `{"type": "transform", "keyName": "k", "dictionary": [1], "itemTransform": "@and(@defined(k),@defined(item))"}`, `[true]`},
		{"not across a call", macros, `{"vars": {"local": true}, "in": "@m(@defined(local))", "out": ["@defined(a)", "@defined(local)"]}`,
			`{"in": [true, false, false, false, true], "out": [false, true]}`},
		{"not across a call, object", macros, `{"vars": {"local": true}, "type": "m", "a": "@defined(local)", "b": 1}`, `[true, true, false, false, true]`},
		{"define", "", `{"type": "define", "vars": {"a": "b"}, "result": "%a%"}`, `"b"`},
	})
}

func TestImports(t *testing.T) {
	testRows(t, []row{
		{"file", "", `"@import(text)"`, `"imported"`},
		{"object form", "", `{"type": "import", "path": "text"}`, `"imported"`},
		{"with macros", "", `["@import(pools)", "@import(scoped)"]`, `[{"A": {"servers": ["proxy:1"]}}, {"x": "in"}]`},
		{"path from a parameter", `{"p": {"type": "constDef", "result": "text"}}`, `"@import(%p%)"`, `"imported"`},
		{"default, no file", "", `"@import(gone, Oops\\, a default)"`, `"Oops, a default"`},
		{"default, bad file", "", `["@import(bad, a)", "@import(empty, b)", "@import(fails, c)"]`, `["a", "b", "c"]`},
		{"default not needed", "", `"@import(text, @fail(not expanded))"`, `"imported"`},
		{"the first default stays", "", `["@import(gone, first)", "@import(gone, second)"]`, `["first", "first"]`},
	})
}

func TestImportReadsEachPathOnce(t *testing.T) {
	reads := 0
	config := mustParse(t, `{"a": ["@import(x)", "@import(x)"], "b": "@import(x)"}`)
	_, err := Expand(config, Options{Import: func(string) ([]byte, error) {
		reads++
		return []byte("1"), nil
	}})
	require.NoError(t, err)
	require.Equal(t, 1, reads)
}

func TestExpandLeavesTheParsedValueAlone(t *testing.T) {
	const text = `{"macros": {"m": {"type": "macroDef", "params": ["p"], "result": ["%p%"]}}, "a": {"vars": {"v": 1}, "b": "@m(%v%)"}}`
	config := mustParse(t, text)
	first, err := Expand(config, Options{})
	require.NoError(t, err)
	require.Equal(t, plain(mustParse(t, text)), plain(config))
	second, err := Expand(config, Options{})
	require.NoError(t, err)
	require.Equal(t, plain(first), plain(second))
}

func TestParamsOfAllTypes(t *testing.T) {
	config := mustParse(t, `{"p": "%p%"}`)
	v, err := Expand(config, Options{Params: map[string]any{
		"p": map[string]any{"z": nil, "b": []any{true, 1, int64(2), 2.5, "s"}},
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"z": nil, "b": []any{true, int64(1), int64(2), 2.5, "s"}}, plain(v.Get("p")))
	require.Equal(t, "b", v.Get("p").Members[0].Name, "in the order of the names")
	require.EqualError(t, v.Get("p").Errorf("bad"), "parameter p: bad")

	_, err = Expand(config, Options{Params: map[string]any{"p": []any{struct{}{}}}})
	require.EqualError(t, err, "parameter p: a value of type struct {} is no value of JSON")
	cycle := []any{nil}
	cycle[0] = cycle
	_, err = Expand(config, Options{Params: map[string]any{"p": cycle}})
	require.ErrorIs(t, err, ErrLimit)
}
