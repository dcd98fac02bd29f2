package mcjson

import "testing"

func TestConditions(t *testing.T) {
	testRows(t, []row{
		{"if", "", `["@if(@bool(true), a, @fail(oops))", "@if(@bool(false), @fail(oops), b)"]`, `["a", "b"]`},
		{"if, object", "", `{"type": "if", "condition": false, "is_true": "@fail(oops)", "is_false": [1]}`, `[1]`},
		{"logic", "", `"@and(@not(@or(@bool(false),@bool(1))), @not(@bool(false)))"`, `false`},
		{"and, or: tables", "", `[{"type": "and", "A": true, "B": true}, {"type": "and", "A": true, "B": false}, {"type": "or", "A": false, "B": true}, {"type": "or", "A": false, "B": false}]`,
			`[true, false, true, false]`},
		{"B is not expanded if A decides", "", `["@and(@bool(false), @fail(no))", "@or(@bool(true), @fail(no))"]`, `[false, true]`},
		{"types", "", `[{"type": "isArray", "value": []}, {"type": "isBool", "value": true}, {"type": "isInt", "value": 1}, {"type": "isDouble", "value": 1.0},
			{"type": "isObject", "value": {}}, "@isString(1)"]`, `[true, true, true, true, true, true]`},
		{"other types", "", `["@isArray(a)", "@isBool(true)", "@isInt(1)", {"type": "isDouble", "value": 1}, "@isObject(a)", {"type": "isString", "value": null}]`,
			`[false, false, false, false, false, false]`},
		{"equals", "", `["@equals(a,a)", "@equals(a,b)", "@equals(1,@int(1))", {"type": "equals", "A": 1, "B": 1.0}, {"type": "equals", "A": null, "B": false}]`,
			`[true, false, false, true, false]`},
		{"equals, deep", "", `[{"type": "equals", "A": {"a": [1, {}], "b": true}, "B": {"b": true, "a": [1, {}]}}, {"type": "equals", "A": {"a": 1}, "B": {"b": 1}},
			{"type": "equals", "A": [1], "B": [2]}, {"type": "equals", "A": [], "B": [1]}, {"type": "equals", "A": true, "B": false}]`,
			`[true, false, false, false, false]`},
		{"less", "", `["@less(a,b)", "@less(b,a)", "@less(@int(9),@int(10))", "@less(9,10)", {"type": "less", "A": 1, "B": 1.5}, {"type": "less", "A": false, "B": true}, {"type": "less", "A": true, "B": false}]`,
			`[true, false, true, false, true, true, false]`},
		{"less, arrays", "", `[{"type": "less", "A": [1, 2], "B": [1, 3]}, {"type": "less", "A": [1], "B": [1, 0]}, {"type": "less", "A": [2], "B": [1, 0]}]`, `[true, true, false]`},
		{"contains", "", `[{"type": "contains", "dictionary": [100, {"a": 1}], "key": {"a": 1}}, {"type": "contains", "dictionary": [0, 1], "key": 5},
			"@contains(abacaba,aca)", "@contains(abacaba,ada)", {"type": "contains", "dictionary": {"a": 1}, "key": "a"}, {"type": "contains", "dictionary": {"a": 1}, "key": "b"}]`,
			`[true, false, true, false, true, false]`},
		{"empty", "", `["@empty()", "@empty(a)", {"type": "empty", "dictionary": {}}, {"type": "empty", "dictionary": [1]}]`, `[true, false, true, false]`},
	})
}

func TestCasts(t *testing.T) {
	testRows(t, []row{
		{"bool", "", `["@bool(true)", "@bool( OFF )", "@bool(@int(0) )", "@bool( @int(7))", {"type": "bool", "value": 0.0}, {"type": "bool", "value": true}, "@bool(Yes)", "@bool(0)"]`,
			`[true, false, false, true, false, true, true, false]`},
		{"int", "", `["@int( -1 )", {"type": "int", "value": 5.0}, {"type": "int", "value": true}, {"type": "int", "value": false}, {"type": "int", "value": 7}, {"type": "int", "value": -9223372036854775808.0}]`,
			`[-1, 5, 1, 0, 7, -9223372036854775808]`},
		{"double", "", `["@double(5.5)", "@double(@int(2))", {"type": "double", "value": true}, {"type": "double", "value": 1.5}]`, `[5.5, 2.0, 1.0, 1.5]`},
		{"str", "", `["@str(@int(5))", "@str(@double(5.5))", {"type": "str", "value": 5.0}, {"type": "str", "value": true}, {"type": "str", "value": false}, "@str(x)", {"type": "str", "value": 1e21}, {"type": "str", "value": 0.000001}]`,
			`["5", "5.5", "5", "1", "0", "x", "1E+21", "0.000001"]`},
	})
}

func TestArithmetic(t *testing.T) {
	const macros = `{
		"min":  {"type": "constDef", "result": -9223372036854775808},
		"max":  {"type": "constDef", "result": 9223372036854775807},
		"ones": {"type": "constDef", "result": -1},
		"fact": {"type": "macroDef", "params": ["x"], "result": {"type": "if", "condition": "@less(@int(1),%x%)",
			"is_true": "@mul(%x%,@fact(@sub(%x%,@int(1))))", "is_false": "@int(1)"}}
	}`
	testRows(t, []row{
		{"add and sub", macros, `["@add(@int(2),@int(3))", "@sub(@int(2),@int(3))", "@add(%max%,%min%)", "@sub(%ones%,%min%)"]`, `[5, -1, -1, 9223372036854775807]`},
		{"mul", macros, `["@mul(@int(-2),@int(3))", "@mul(@int(-2),@int(-3))", "@mul(%min%,@int(1))", "@mul(%max%,%ones%)", "@mul(%min%,@int(0))"]`,
			`[-6, 6, -9223372036854775808, -9223372036854775807, 0]`},
		{"div and mod", macros, `["@div(@int(7),@int(3))", "@div(@int(-7),@int(3))", "@mod(@int(5),@int(3))", "@mod(@int(-5),@int(3))", "@mod(%min%,%ones%)", "@div(@int(0),@int(3))"]`,
			`[2, -2, 2, -2, 0, 0]`},
		{"and", macros, `["@bitwiseAnd(@int(12),@int(10))", "@bitwiseAnd(%min%,%ones%)"]`, `[8, -9223372036854775808]`},
		{"or", macros, `["@bitwiseOr(@int(12),@int(10))", "@bitwiseOr(%min%,%ones%)"]`, `[14, -1]`},
		{"xor", macros, `["@bitwiseXor(@int(12),@int(10))", "@bitwiseXor(%min%,%ones%)"]`, `[6, 9223372036854775807]`},
		{"not", macros, `["@bitwiseNot(%ones%)", "@bitwiseNot(%max%)"]`, `[0, -9223372036854775808]`},
		{"left shift", macros, `["@bitwiseLeftShift(@int(1),@int(4))", "@bitwiseLeftShift(@int(1),@int(63))", "@bitwiseLeftShift(%min%,@int(1))", "@bitwiseLeftShift(%max%,@int(1))"]`,
			`[16, -9223372036854775808, 0, -2]`},
		{"right shift fills with zeros", macros, `["@bitwiseRightShift(@int(16),@int(4))", "@bitwiseRightShift(%min%,@int(63))", "@bitwiseRightShift(@int(-2),@int(1))"]`,
			`[1, 1, 9223372036854775807]`},
		{"factorial", macros, `["@fact(@int(5))", "@fact(@int(0))", "@fact(@int(20))"]`, `[120, 1, 2432902008176640000]`},
	})
}

func TestCollections(t *testing.T) {
	const macros = `{"dict": {"type": "constDef", "result": {"a": "b"}}}`
	testRows(t, []row{
		{"keys and values", "", `[{"type": "keys", "dictionary": {"b": 1, "a": [2]}}, {"type": "values", "dictionary": {"b": 1, "a": [2]}}]`, `[["b", "a"], [1, [2]]]`},
		{"size", "", `["@size(abc)", {"type": "size", "dictionary": [1, 2]}, {"type": "size", "dictionary": {"a": 1}}]`, `[3, 2, 1]`},
		{"range", "", `["@range( @int(-1), @int(2) )", "@range(@int(2),@int(1))", "@range(@int(9223372036854775806),@int(9223372036854775807))"]`,
			`[[-1, 0, 1, 2], [], [9223372036854775806, 9223372036854775807]]`},
		{"sort", "", `[{"type": "sort", "dictionary": [2, 1, 5, 3, 10]}, {"type": "sort", "dictionary": ["a", "c", "b"]}, {"type": "sort", "dictionary": []}]`,
			`[[1, 2, 3, 5, 10], ["a", "b", "c"], []]`},
		{"sort, mixed", "", `{"type": "sort", "dictionary": ["2", "99", 10.5, 99, 10, true, [1], null]}`, `[null, [1], true, 10, 10.5, 99, "2", "99"]`},
		{"split", "", `[{"type": "split", "dictionary": "a.b.", "delim": "."}, "@split(,)", "@split(abc,)", "@split(abbabb, b)", "@split(abbabb, bb)"]`,
			`[["a", "b", ""], [""], ["abc"], ["a", "", "a", "", ""], ["a", "a", ""]]`},
		{"merge", "", `[{"type": "merge", "params": [[1], [], [2, 3]]}, {"type": "merge", "params": ["a", "", "b"]},
			{"type": "merge", "params": [{"a": 1, "b": 2}, {"b": 3, "c": 4}]}, {"type": "merge", "params": [["\\\\"], ["\\@"]]}]`,
			`[[1, 2, 3], "ab", {"a": 1, "b": 3, "c": 4}, ["\\", "@"]]`},
		{"select", macros, `["@select(%dict%,a)", "@select(%dict%,x,c)", "@select(%dict%,a,@fail(no))", {"type": "select", "dictionary": ["a", "b", "c"], "key": 1},
			{"type": "select", "dictionary": ["a", "b", "c"], "key": -1}, {"type": "select", "dictionary": ["a"], "key": 1, "default": 3}, {"type": "select", "dictionary": ["a"], "key": -2, "default": 4}]`,
			`["b", "c", "b", "b", "c", 3, 4]`},
		{"set", "", `[{"type": "set", "dictionary": {"a": 1, "b": 2}, "key": "b", "value": 5}, {"type": "set", "dictionary": {"a": 1}, "key": "c", "value": 10}, {"type": "set", "dictionary": ["a", 1], "key": 1, "value": "c"}]`,
			`[{"a": 1, "b": 5}, {"a": 1, "c": 10}, ["a", "c"]]`},
		{"slice", "", `[{"type": "slice", "from": "@int(1)", "to": 2, "dictionary": ["a", "b", "c", "d"]}, "@slice(abcd,@int(2),@int(3))", {"type": "slice", "dictionary": {"a": 1, "b": 2, "c": 3, "d": 4}, "from": "b", "to": "c"}]`,
			`[["b", "c"], "cd", {"b": 2, "c": 3}]`},
		{"slice beyond the ends", "", `["@slice(abcd,@int(0),@int(-1))", "@slice(abcd,@int(-10),@int(10000))", "@slice(abcd,@int(4),@int(9223372036854775807))", "@slice(,@int(0),@int(0))"]`,
			`["", "abcd", "", ""]`},
		{"shuffle", "", `[{"type": "shuffle", "dictionary": []}, {"type": "shuffle", "dictionary": [1]}]`, `[[], [1]]`},
		{"shuffle with a seed", "", `[{"type": "shuffle", "dictionary": [1, 3], "seed": 11111111}, {"type": "shuffle", "dictionary": [1, 3], "seed": 123}, {"type": "shuffle", "dictionary": [1, 3], "seed": 123}]`,
			`[[1, 3], [3, 1], [3, 1]]`},
		{"shuffle keeps the elements", "", `{"type": "sort", "dictionary": {"type": "shuffle", "dictionary": "@range(@int(1),@int(6))"}}`, `[1, 2, 3, 4, 5, 6]`},
		{"isLocalIp", "", `["@isLocalIp(127.0.0.1)", "@isLocalIp(not an ip)", "@isLocalIp(192.0.2.1)"]`, `[true, false, false]`},
	})
}

func TestLoops(t *testing.T) {
	const macros = `{
		"join":    {"type": "macroDef", "params": ["a", "b"], "result": "%a%%b%"},
		"indexof": {"type": "macroDef", "params": ["list", "x"], "result": {"type": "process", "initialValue": "@int(-1)", "dictionary": "%list%",
			"transform": {"type": "if", "condition": "@and(@equals(%value%,@int(-1)),@equals(%item%,%x%))", "is_true": "%key%", "is_false": "%value%"}}},
		"write":   {"type": "macroDef", "params": ["o"], "result": {"type": "merge", "params": ["{", {"type": "process", "initialValue": "", "dictionary": "%o%",
			"transform": {"type": "merge", "params": ["@if(@empty(%value%), %key%:, %value%\\,%key%:)", "@if(@isObject(%item%), @write(%item%), %item%)"]}}, "}"]}},
		"least":   {"type": "macroDef", "params": ["list"], "result": {"type": "process", "initialValue": "@select(%list%,@int(0))",
			"dictionary": "@slice(%list%,@int(1),@size(%list%))", "transform": {"type": "if", "condition": "@less(%item%,%value%)", "is_true": "%item%", "is_false": "%value%"}}}
	}`
	testRows(t, []row{
		{"transform an array", macros, `{"type": "transform", "dictionary": ["a", "b"], "itemTransform": "@join(%item%,@str(%key%))"}`, `["a0", "b1"]`},
		{"transform an object", macros, `{"type": "transform", "dictionary": {"a": "1", "b": "2"}, "keyTransform": "%key%1", "itemTransform": "@join(%item%,%key%)"}`, `{"a1": "1a", "b1": "2b"}`},
		{"transform keys only", macros, `{"type": "transform", "dictionary": {"a": [1]}, "keyTransform": "x%key%"}`, `{"xa": [1]}`},
		{"transform nothing", macros, `[{"type": "transform", "dictionary": []}, {"type": "transform", "dictionary": {"a": 1}}, {"type": "transform", "dictionary": {}}]`, `[[], {"a": 1}, {}]`},
		{"transform in transform", macros, `{"type": "transform", "itemName": "list", "keyName": "name", "dictionary": {"a": [1, 2], "b": [3]},
			"itemTransform": {"type": "transform", "dictionary": "%list%", "itemTransform": "@join(%name%,@str(%item%))"}}`, `{"a": ["a1", "a2"], "b": ["b3"]}`},
		{"transform to several keys", macros, `{"type": "transform", "keyTransform": "%item%", "itemTransform": "%key%", "dictionary": {"a": ["1", "2"], "b": ["3"], "c": []}}`, `{"1": "a", "2": "a", "3": "b"}`},
		{"transform with escapes", macros, `[{"type": "transform", "itemTransform": "\\%%i%", "keyTransform": "%k%\\@", "keyName": "k", "itemName": "i", "dictionary": {"\\@": "\\\\"}},
			{"type": "transform", "itemTransform": "\\%%i%", "itemName": "i", "dictionary": ["\\@", "\\\\"]}]`, `[{"@@": "%\\"}, ["%@", "%\\"]]`},
		{"process: index of", macros, `[{"type": "indexof", "list": ["a", "b", "c"], "x": "a"}, {"type": "indexof", "list": ["a", "b", "c"], "x": "c"}, {"type": "indexof", "list": [], "x": "c"}]`, `[0, 2, -1]`},
		{"process: write an object", macros, `{"type": "write", "o": {"a": {"b": "c"}, "d": "e"}}`, `"{a:{b:c},d:e}"`},
		{"process: least", macros, `[{"type": "least", "list": ["fd", "b", "d"]}, {"type": "least", "list": [1, 3, 0, 4]}]`, `["b", 0]`},
		{"foreach", "", `{"type": "foreach", "from": ["a", "b"], "use": ["%item%1"]}`, `["a1", "b1"]`},
		{"foreach, top", "", `[{"type": "foreach", "from": ["a", "b"], "top": 1}, {"type": "foreach", "from": [1, 2, 3], "top": "@add(@int(1),@int(1))"}, {"type": "foreach", "from": {"a": 1}, "top": 0}]`, `[["a"], [1, 2], {}]`},
		{"foreach, no element", "", `[{"type": "foreach", "from": {}}, {"type": "foreach", "from": [], "use": {}}, {"type": "foreach", "from": {}, "use": [], "noMatchResult": [1]}, {"type": "foreach", "from": [1], "where": "@bool(0)"}]`, `[{}, [], [1], []]`},
		{"foreach, use decides the type", "", `[{"type": "foreach", "from": {"a": "b"}, "use": [], "noMatchResult": {}}, {"type": "foreach", "from": {"\\@": "b"}, "use": ["%key%%item%", "%item%%key%"]}]`, `[[], ["@b", "b@"]]`},
		{"foreach, where", "", `[{"type": "foreach", "from": [1, 2], "where": "@less(@int(1),%item%)", "use": {"@str(%key%)": "%item%"}}, {"type": "foreach", "key": "k", "item": "v", "from": {"a": "b", "d": "c", "z": "\\@a"}, "where": "@less(%v%,%k%)"}]`,
			`[{"1": 2}, {"d": "c", "z": "@a"}]`},
		{"foreach, all of it", "", `{"type": "foreach", "from": [1, 2, 3, 4, 5, 6], "where": "@equals(@mod(%item%,@int(2)),@int(0))", "top": 2,
			"use": {"type": "define", "vars": {"double": "@mul(%item%,@int(3))"}, "result": {"@str(%item%)": "%item%", "@str(%double%)": "%double%"}}}`, `{"2": 2, "6": 6, "4": 4, "12": 12}`},
		{"foreach, later keys win", "", `{"type": "foreach", "from": ["a", "b"], "use": {"k": "%item%"}}`, `{"k": "b"}`},
	})
}
