package mcjson

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrorsSayWhereAndWhy has one row for each way to be wrong. Where text is the place alone, its value is on line 1.
func TestErrorsSayWhereAndWhy(t *testing.T) {
	const def = `{"macros": {"m": {"type": "macroDef", "params": ["a", {"name": "b", "default": "1"}], "result": "%a%"}},` + "\n" + `"x": `
	for _, row := range []struct{ name, text, want string }{
		{"no object", `[1]`, "f:1:1: the configuration is array, want object"},
		{"macros is no object", `{"macros": "x"}`, `f:1:12: macros is string, want object or array`},
		{"definition is no object", `{"macros": {"a": "x"}}`, `f:1:18: definition of "a": want an object of type macroDef or constDef`},
		{"definition without type", `{"macros": {"a": {"result": 1}}}`, `f:1:18: definition of "a": want an object of type macroDef or constDef`},
		{"definition of another type", `{"macros": {"a": {"type": "x", "result": 1}}}`, `f:1:18: definition of "a": want an object of type macroDef or constDef`},
		{"definition without result", `{"macros": {"a": {"type": "constDef"}}}`, `f:1:18: definition of "a": there is no result`},
		{"params is no array", `{"macros": {"a": {"type": "macroDef", "params": "p", "result": 1}}}`, `f:1:49: definition of "a": params is string, want array`},
		{"param is a number", `{"macros": {"a": {"type": "macroDef", "params": [1], "result": 1}}}`, `f:1:50: a parameter is a name, or an object with the string "name"`},
		{"param without name", `{"macros": {"a": {"type": "macroDef", "params": [{}], "result": 1}}}`, `f:1:50: a parameter is a name, or an object with the string "name"`},
		{"param twice", `{"macros": {"a": {"type": "macroDef", "params": ["p", "p"], "result": 1}}}`, `f:1:55: parameter "p" is given twice`},
		{"required after optional", `{"macros": {"a": {"type": "macroDef", "params": [{"name": "p", "default": 0}, "q"], "result": 1}}}`, `f:1:79: parameter "q" must have a default or be optional, as the one before it`},
		{"default but not optional", `{"macros": {"a": {"type": "macroDef", "params": [{"name": "p", "optional": false, "default": 0}], "result": 1}}}`, `f:1:76: parameter "p" has a default but is not optional`},
		{"optional is no bool", `{"macros": {"a": {"type": "macroDef", "params": [{"name": "p", "optional": 1}], "result": 1}}}`, `f:1:76: optional is int, want bool`},

		{"unknown macro", `{"x": "@nothing(1)"}`, `f:1:7: there is no macro "nothing"`},
		{"unknown parameter", `{"x": ["a%nothing%"]}`, `f:1:8: %nothing% is no parameter, variable or constant here`},
		{"loops have no short form", `{"x": "@foreach(a)"}`, `f:1:7: there is no macro "foreach"`},
		{"too few arguments", def + `"@m"}`, `f:2:6: m: there is no argument "a"`},
		{"too many arguments", def + `"@m(1,2,3)"}`, `f:2:6: m: 3 arguments, want at most 2`},
		{"argument missing, object", def + `{"type": "m"}}`, `f:2:6: m: there is no argument "a"`},
		{"text after a call", def + `"@m(1)a"}`, `f:2:6: the call "@m(1)a" does not end with its closing bracket`},
		{"only an opening bracket", def + `"@m("}`, `f:2:6: the call "@m(" does not end with its closing bracket`},
		{"inner bracket not closed", def + `"@m(@m(1,2)"}`, `f:2:6: the brackets of the call "@m(@m(1,2)" do not match`},
		{"macro name is a number", `{"x": "@%count%"}`, `f:1:7: the name of a macro is int, want string`},
		{"odd percent sign", `{"x": "50%"}`, `f:1:7: a % without a second one in "50%"`},
		{"backslash at the end", `{"x": "a\\"}`, `f:1:7: a backslash that escapes nothing in "a\\"`},
		{"number inside of a string", `{"x": "n%count%"}`, `f:1:7: %count% is int, want string, as it is a part of "n%count%"`},
		{"key that is a number", `{"%count%": 1}`, `f:1:2: key "%count%" expands to int, want string`},
		{"keys that expand alike", `{"proxy": 1, "%router%": 2}`, `f:1:14: key "%router%" expands to "proxy", as the one at f:1:2 does`},
		{"vars is no object", `{"x": {"vars": []}}`, `f:1:16: vars is array, want object`},
		{"variable of itself", `{"x": {"vars": {"a": "%b%", "b": "%a%"}}}`, `f:1:22: variable "a" refers to itself`},
		{"constant of itself", `{"macros": {"c": {"type": "constDef", "result": ["%c%"]}}, "x": "%c%"}`, `f:1:49: constant "c" refers to itself`},
		{"a loop's name in a macro", `{"macros": {"m": {"type": "macroDef", "result": "%item%"}}, "x": {"type": "transform", "dictionary": [1], "itemTransform": "@m"}}`,
			`f:1:49: %item% is no parameter, variable or constant here, in macro "m" called at f:1:124`},

		{"fail", `{"x": "@fail(No, really)"}`, `f:1:7: fail: 2 arguments, want at most 1`},
		{"fail, text", `{"x": "@fail(Custom text)"}`, `f:1:7: fail: Custom text`},
		{"fail, object", `{"x": {"type": "fail", "msg": {}}}`, `f:1:7: fail: (object)`},
		{"if", `{"x": "@if(true,a,b)"}`, `f:1:7: if: condition is string, want bool`},
		{"and", `{"x": {"type": "and", "A": true, "B": 1}}`, `f:1:7: and: B is int, want bool`},
		{"or", `{"x": {"type": "or", "A": 0, "B": true}}`, `f:1:7: or: A is int, want bool`},
		{"not", `{"x": "@not(true)"}`, `f:1:7: not: A is string, want bool`},
		{"less", `{"x": {"type": "less", "A": {}, "B": {}}}`, `f:1:7: less: objects have no order`},
		{"contains", `{"x": {"type": "contains", "dictionary": 1, "key": 1}}`, `f:1:7: contains: dictionary is int, want object or array or string`},
		{"contains, key", `{"x": {"type": "contains", "dictionary": {}, "key": 1}}`, `f:1:7: contains: key is int, want string`},
		{"empty", `{"x": {"type": "empty", "dictionary": 1}}`, `f:1:7: empty: dictionary is int, want object or array or string`},
		{"size", `{"x": {"type": "size", "dictionary": null}}`, `f:1:7: size: dictionary is null, want object or array or string`},
		{"int", `{"x": "@int(1.5)"}`, `f:1:7: int: string "1.5" is no int`},
		{"int of a fraction", `{"x": {"type": "int", "value": 1.5}}`, `f:1:7: int: float "1.5" is no int`},
		{"int of a large float", `{"x": {"type": "int", "value": 1e19}}`, `f:1:7: int: float "10000000000000000000" is no int`},
		{"int of null", `{"x": {"type": "int", "value": null}}`, `f:1:7: int: value is null, want bool or int or float or string`},
		{"double", `{"x": "@double(1.a)"}`, `f:1:7: double: string "1.a" is no float`},
		{"double, infinite", `{"x": "@double(inf)"}`, `f:1:7: double: string "inf" is no float`},
		{"double of an int that it can't hold", `{"x": "@double(@int(9007199254740993))"}`, `f:1:7: double: int "9007199254740993" is no float`},
		{"bool", `{"x": "@bool(maybe)"}`, `f:1:7: bool: string "maybe" is no bool`},
		{"str", `{"x": {"type": "str", "value": []}}`, `f:1:7: str: value is array, want bool or int or float or string`},
		{"add", `{"x": "@add(1,@int(2))"}`, `f:1:7: add: A is string, want int`},
		{"add overflows", `{"x": "@add(@int(9223372036854775807),@int(1))"}`, `f:1:7: add: the result does not fit 64 bits (A is 9223372036854775807, B is 1)`},
		{"sub overflows", `{"x": "@sub(@int(-9223372036854775808),@int(1))"}`, `f:1:7: sub: the result does not fit 64 bits (A is -9223372036854775808, B is 1)`},
		{"mul overflows", `{"x": "@mul(@int(-9223372036854775808),@int(-1))"}`, `f:1:7: mul: the result does not fit 64 bits (A is -9223372036854775808, B is -1)`},
		{"mul overflows by far", `{"x": "@mul(@int(9223372036854775807),@int(3))"}`, `f:1:7: mul: the result does not fit 64 bits (A is 9223372036854775807, B is 3)`},
		{"div by zero", `{"x": "@div(@int(5),@int(0))"}`, `f:1:7: div: division by zero (A is 5, B is 0)`},
		{"div overflows", `{"x": "@div(@int(-9223372036854775808),@int(-1))"}`, `f:1:7: div: the result does not fit 64 bits (A is -9223372036854775808, B is -1)`},
		{"mod by zero", `{"x": "@mod(@int(5),@int(0))"}`, `f:1:7: mod: division by zero (A is 5, B is 0)`},
		{"shift too far", `{"x": "@bitwiseLeftShift(@int(1),@int(64))"}`, `f:1:7: bitwiseLeftShift: B is not within 0 and 63 (A is 1, B is 64)`},
		{"shift back", `{"x": "@bitwiseRightShift(@int(1),@int(-1))"}`, `f:1:7: bitwiseRightShift: B is not within 0 and 63 (A is 1, B is -1)`},
		{"bitwiseNot", `{"x": "@bitwiseNot(a)"}`, `f:1:7: bitwiseNot: A is string, want int`},
		{"keys", `{"x": {"type": "keys", "dictionary": []}}`, `f:1:7: keys: dictionary is array, want object`},
		{"values", `{"x": {"type": "values", "dictionary": []}}`, `f:1:7: values: dictionary is array, want object`},
		{"merge of nothing", `{"x": {"type": "merge", "params": []}}`, `f:1:7: merge: params is empty`},
		{"merge of two types", `{"x": {"type": "merge", "params": [[], {}]}}`, `f:1:7: merge: each of params is object, want array`},
		{"merge of ints", `{"x": {"type": "merge", "params": [1, 2]}}`, `f:1:7: merge: params begins with int, want array or object or string`},
		{"select, no key", `{"x": {"type": "select", "dictionary": {"a": 1}, "key": "b"}}`, `f:1:7: select: there is no "b", and no default`},
		{"select, key is a list", `{"x": {"type": "select", "dictionary": {"a": 1}, "key": ["a"]}}`, `f:1:7: select: key is array, want string`},
		{"select, index is text", `{"x": {"type": "select", "dictionary": [1], "key": "0"}}`, `f:1:7: select: key is string, want int`},
		{"select, out of range", `{"x": {"type": "select", "dictionary": [1], "key": -2}}`, `f:1:7: select: there is no element -2 of 1, and no default`},
		{"select, default fails", `{"x": {"type": "select", "dictionary": ["a"], "key": 2, "default": "@fail(No key)"}}`, `f:1:68: fail: No key`},
		{"set, out of range", `{"x": {"type": "set", "dictionary": [1, 2], "key": 2, "value": 3}}`, `f:1:7: set: there is no element 2 of 2`},
		{"set, key of another type", `{"x": {"type": "set", "dictionary": {}, "key": 2, "value": 3}}`, `f:1:7: set: key is int, want string`},
		{"slice", `{"x": "@slice(abc,0,1)"}`, `f:1:7: slice: from is string, want int`},
		{"slice through a character", `{"x": "@slice(aü,@int(0),@int(1))"}`, `f:1:7: slice: bytes 0 to 1 of the string cut a character`},
		{"sort", `{"x": {"type": "sort", "dictionary": [1, {}]}}`, `f:1:7: sort: objects have no order`},
		{"split", `{"x": {"type": "split", "dictionary": [], "delim": ""}}`, `f:1:7: split: dictionary is array, want string`},
		{"range", `{"x": "@range(0,1)"}`, `f:1:7: range: from is string, want int`},
		{"shuffle", `{"x": {"type": "shuffle", "dictionary": [1], "seed": -1}}`, `f:1:7: shuffle: seed is -1, want 0 or more`},
		{"hash", `{"x": {"type": "hash", "value": 1.5}}`, `f:1:7: hash: value is float, want string or int`},
		{"weightedHash, empty", `{"x": {"type": "weightedHash", "dictionary": {}, "key": 15}}`, `f:1:7: weightedHash: the weights have no finite sum above 0`},
		{"weightedHash, text", `{"x": {"type": "weightedHash", "dictionary": {"a": "1"}, "key": 15}}`, `f:1:7: weightedHash: the weight of "a" is string, want a number`},
		{"weightedHash, negative", `{"x": {"type": "weightedHash", "dictionary": {"a": -1}, "key": 15}}`, `f:1:7: weightedHash: the weight of "a" is -1, want 0 or more`},
		{"transform without dictionary", `{"x": {"type": "transform"}}`, `f:1:7: transform: there is no argument "dictionary"`},
		{"transform of an array", `{"x": {"type": "transform", "dictionary": [1]}}`, `f:1:7: transform: an array needs itemTransform`},
		{"transform with another name", `{"x": {"type": "transform", "itemName": "i", "itemTransform": "%item%", "dictionary": {"a": 1}}}`, `f:1:63: %item% is no parameter, variable or constant here`},
		{"transform with a name twice", `{"x": {"type": "transform", "itemName": "key", "dictionary": {}}}`, `f:1:7: transform: keyName and itemName are both "key"`},
		{"transform to a key that is none", `{"x": {"type": "transform", "keyTransform": 1, "dictionary": {"a": 1}}}`, `f:1:7: transform: the transformed key is int, want string or array`},
		{"transform to keys that are none", `{"x": {"type": "transform", "keyTransform": [1], "dictionary": {"a": 1}}}`, `f:1:7: transform: an element of the transformed key is int, want string`},
		{"process without a value", `{"x": {"type": "process", "dictionary": [], "transform": 1}}`, `f:1:7: process: there is no argument "initialValue"`},
		{"process with a name twice", `{"x": {"type": "process", "dictionary": [], "initialValue": 0, "transform": 1, "valueName": "item"}}`, `f:1:7: process: valueName is "item", as another name is`},
		{"foreach without from", `{"x": {"type": "foreach"}}`, `f:1:7: foreach: there is no argument "from"`},
		{"foreach, top", `{"x": {"type": "foreach", "from": [], "top": -1}}`, `f:1:7: foreach: top is -1, want 0 or more`},
		{"foreach, where", `{"x": {"type": "foreach", "from": [1], "where": 1}}`, `f:1:7: foreach: where is int, want bool`},
		{"foreach, use", `{"x": {"type": "foreach", "from": [1], "use": 1}}`, `f:1:7: foreach: use is int, want object or array`},
		{"foreach, use of two types", `{"x": {"type": "foreach", "from": [[], {}], "use": "%item%"}}`, `f:1:7: foreach: use is object, want array`},
		{"foreach, name is a number", `{"x": {"type": "foreach", "from": [1], "key": 1}}`, `f:1:7: foreach: key is int, want string`},

		{"import, no file", `{"x": "@import(gone)"}`, `f:1:7: import: "gone": no such file`},
		{"import, bad file", `{"x": "@import(bad)"}`, `bad:2:10: unexpected ',', want a key in double quotes, or }, in macro "import" called at f:1:7`},
		{"import, macro fails", `{"x": "@import(fails)"}`, `fails:2:3: fail: oh no, in macro "import" called at f:1:7`},
		{"import sees no parameters", def + `"@m(@import(param))"}`, `param:1:1: %p% is no parameter, variable or constant here, in macro "import" called at f:2:6`},
		{"import of itself", `{"x": "@import(self)"}`, `self:1:2: import: "self": the file imports itself, in macro "import" called at f:1:7`},
		{"imports in a circle, despite defaults", `{"x": "@import(circle1)"}`, `circle2:1:2: import: "circle1": the file imports itself, in macro "import" called at circle1:1:2, in macro "import" called at f:1:7`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := expandText(row.text, nil)
			require.EqualError(t, err, row.want)
			var typed *Error
			require.ErrorAs(t, err, &typed)
		})
	}
}

func TestImportErrorsKeepTheirCause(t *testing.T) {
	_, err := expandText(`{"x": "@import(gone)"}`, nil)
	require.ErrorIs(t, err, errNoFile)
	_, err = expandText(`{"x": "@import(bad)"}`, nil)
	require.ErrorIs(t, err, ErrSyntax)
	_, err = expandText(`{"x": "@import(self, none)"}`, nil)
	require.ErrorIs(t, err, ErrLimit)
	_, err = Expand(mustParse(t, `{"x": "@import(a)"}`), Options{})
	require.EqualError(t, err, `f:1:7: import: "a": there is nothing to import from`)
}

func TestWarnings(t *testing.T) {
	var warnings []string
	_, err := expandText(`{
		"macros": {"m": {"type": "macroDef", "params": ["p"], "result": "%p%"}},
		"a": {"type": "m", "p": 1, "P": 2, "vars": {}},
		"b": {"type": "foreach", "from": [], "form": []},
		"c": "@import(gone, x)",
		"d": {"type": "PoolRoute", "anything": 1}
	}`, &warnings)
	require.NoError(t, err)
	require.Equal(t, []string{
		`f:3:30: macro "m" has no parameter "P"; it is ignored`,
		`f:4:40: macro "foreach" has no parameter "form"; it is ignored`,
		`f:5:8: import: "gone": the default is taken: f:5:8: import: "gone": no such file`,
	}, warnings)
}

func TestPlacesOfWhatMacrosMake(t *testing.T) {
	config, err := expandText(`{
		"macros": {
			"pool": {"type": "macroDef", "params": ["server"],
				"result": {"servers": ["%server%", "x%server%",
					5]}},
			"outer": {"type": "macroDef", "result": "@pool(s)"}
		},
		"a": {"type": "pool",
			"server": "here"},
		"b": "@outer",
		"c": ["@add(@int(1),@int(2))",
			{"type": "keys", "dictionary": {
				"k": 1}}],
		"d": "@import(withPlace)"
	}`, nil)
	require.NoError(t, err)
	at := func(v *Value) string { return v.Errorf("!").Error() }
	servers := config.Get("a").Get("servers")
	require.Equal(t, `f:4:27: !, in macro "pool" called at f:8:8`, at(servers))
	require.Equal(t, `f:9:14: !`, at(servers.Items[0]), "an argument stands in the call")
	require.Equal(t, `f:4:40: !, in macro "pool" called at f:8:8`, at(servers.Items[1]), "text made of parts")
	require.Equal(t, `f:5:6: !, in macro "pool" called at f:8:8`, at(servers.Items[2]))
	require.Equal(t, "f:4:16", config.Get("a").Members[0].Pos.String())
	require.Equal(t, `f:5:6: !, in macro "pool" called at f:6:44, in macro "outer" called at f:10:8`, at(config.Get("b").Get("servers").Items[2]))
	require.Equal(t, `f:11:9: !`, at(config.Get("c").Items[0]), "a sum")
	require.Equal(t, `f:12:4: !`, at(config.Get("c").Items[1]), "a list of keys")
	require.Equal(t, `f:13:5: !`, at(config.Get("c").Items[1].Items[0]), "a key")
	require.Equal(t, `withPlace:3:4: !, in macro "import" called at f:14:8`, at(config.Get("d").Items[0]))
}

func TestErrorShowsTheInnermostCalls(t *testing.T) {
	var macros strings.Builder
	for i := range 9 {
		fmt.Fprintf(&macros, `"m%d": {"type": "macroDef", "result": "@m%d"},`, i, i+1)
	}
	_, err := expandText(`{"macros": {`+macros.String()+`"m9": {"type": "macroDef", "result": "%gone%"}}, "x": "@m0"}`, nil)
	var typed *Error
	require.ErrorAs(t, err, &typed)
	require.Len(t, typed.Calls, 10)
	require.Equal(t, "m9", typed.Calls[0].Macro)
	require.Equal(t, "m0", typed.Calls[9].Macro)
	require.Equal(t, 4, strings.Count(err.Error(), "in macro"))
	require.True(t, strings.HasSuffix(err.Error(), ", and 6 calls more"), err.Error())
	require.False(t, errors.Is(err, ErrLimit))
}
