package mcjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plain returns a value as encoding/json would, with an int64 for an Int.
func plain(v *Value) any {
	switch v.Kind {
	case Bool:
		return v.Bool
	case Int:
		return v.Int
	case Float:
		return v.Float
	case String:
		return v.Str
	case Array:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, plain(item))
		}
		return list
	case Object:
		object := map[string]any{}
		for _, member := range v.Members {
			object[member.Name] = plain(member.Value)
		}
		return object
	}
	return nil
}

func mustParse(t testing.TB, text string) *Value {
	t.Helper()
	v, err := Parse([]byte(text), "f")
	require.NoError(t, err)
	return v
}

func TestParseReadsWhatMcrouterReads(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       any
	}{
		{"null", `null`, nil},
		{"bools", `[true, false]`, []any{true, false}},
		{"ints", `[0, -0, 17, 9223372036854775807, -9223372036854775808]`,
			[]any{int64(0), int64(0), int64(17), int64(9223372036854775807), int64(-9223372036854775808)}},
		{"floats", `[1.0, -2.5, 1e3, 1E-2, 12.5e+1]`, []any{1.0, -2.5, 1000.0, 0.01, 125.0}},
		{"empty text", `""`, ""},
		{"escapes", `"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{"unicode escapes", `"\u0041\u00fc\u20AC\ud83d\ude00\u0000"`, "Aü€😀\x00"},
		{"raw control characters", "\"a\nb\tc\"", "a\nb\tc"},
		{"UTF-8", `"ü€😀"`, "ü€😀"},
		{"nested", `{"a": [{"b": {}}, []]}`, map[string]any{"a": []any{map[string]any{"b": map[string]any{}}, []any{}}}},
		{"comma after the last element", `{"a": [1, 2,], "b": 3,}`, map[string]any{"a": []any{int64(1), int64(2)}, "b": int64(3)}},
		{"line comments", "// one\n{ // two\n\"a\": 1 // three\n} // four", map[string]any{"a": int64(1)}},
		{"block comments", "/**//* \" */[/***/1/*\n// */,/* /* */2]", []any{int64(1), int64(2)}},
		{"no comments in strings", `["// a", "/* b */", "\"// c"]`, []any{"// a", "/* b */", "\"// c"}},
		{"a comment after the end may stay open", "[1] /* the rest", []any{int64(1)}},
		{"carriage returns", "{\r\n\"a\":\r\n1}\r\n", map[string]any{"a": int64(1)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.want, plain(mustParse(t, row.text)))
		})
	}
}

func TestParseErrorsSayWhere(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "f:1:1: unexpected end of the file, want a value"},
		{"only a comment", "// x", "f:1:5: unexpected end of the file, want a value"},
		{"open comment", "{\n  /* x\n", "f:3:1: unexpected end of the file, want a key in double quotes, or }; the comment that begins at line 2, column 3 is not closed"},
		{"hash comment", "# x", "f:1:1: unexpected '#', want a value"},
		{"stray slash", "[1 / 2]", "f:1:4: unexpected '/', want a comma or ]"},
		{"two values", "{}\n{}", "f:2:1: unexpected '{', want nothing after the end of the configuration"},
		{"open array", "[1,\n", "f:2:1: unexpected end of the file, want a value"},
		{"open object", `{"a": 1`, "f:1:8: unexpected end of the file, want a comma or }"},
		{"wrong bracket", `{"a": [1}`, "f:1:9: unexpected '}', want a comma or ]"},
		{"only a comma", `[,]`, "f:1:2: unexpected ',', want a value"},
		{"two commas", `[1,,]`, "f:1:4: unexpected ',', want a value"},
		{"bare key", `{a: 1}`, "f:1:2: unexpected 'a', want a key in double quotes, or }"},
		{"number as key", `{1: 1}`, "f:1:2: unexpected '1', want a key in double quotes, or }"},
		{"no colon", `{"a" 1}`, "f:1:6: unexpected '1', want a colon after the key"},
		{"no value", `{"a": }`, "f:1:7: unexpected '}', want a value"},
		{"single quotes", `['a']`, "f:1:2: unexpected '\\'', want a value"},
		{"unknown word", `[nil]`, `f:1:2: "nil" is no value of JSON`},
		{"upper case", `[True]`, `f:1:2: "True" is no value of JSON`},
		{"NaN", `NaN`, `f:1:1: "NaN" is no value of JSON`},
		{"comment in a word", `tr/**/ue`, `f:1:1: "tr" is no value of JSON`},
		{"leading zero", `[01]`, "f:1:2: malformed number"},
		{"only a minus", `[-]`, "f:1:2: malformed number"},
		{"plus", `[+1]`, "f:1:2: unexpected '+', want a value"},
		{"no fraction", `[1.]`, "f:1:2: malformed number"},
		{"no whole part", `[.5]`, "f:1:2: unexpected '.', want a value"},
		{"no exponent", `[1e+]`, "f:1:2: malformed number"},
		{"int beyond 64 bits", `9223372036854775808`, "f:1:1: number 9223372036854775808 is out of the range of 64 bits"},
		{"float beyond 64 bits", `1e999`, "f:1:1: number 1e999 is out of the range of 64 bits"},
		{"long number", strings.Repeat("9", 100), "f:1:1: number " + strings.Repeat("9", 40) + "... is out of the range of 64 bits"},
		{"letters after a number", `[1x]`, "f:1:3: unexpected 'x', want a comma or ]"},
		{"open string", "[\n \"abc", "f:2:2: the string that begins here is not closed"},
		{"open escape", `"abc\`, "f:1:5: unexpected end of the file after a backslash"},
		{"unknown escape", `"a\x"`, `f:1:3: unknown escape \x in a string`},
		{"short unicode escape", `"\u12"`, `f:1:2: \u needs four hexadecimal digits`},
		{"sign in a unicode escape", `"\u+123"`, `f:1:2: \u needs four hexadecimal digits`},
		{"high surrogate alone", `"\ud83d"`, `f:1:2: \ud83d is half of a surrogate pair without the other half`},
		{"high surrogate, no low one", `"\ud83d\u0041"`, `f:1:2: \ud83d is half of a surrogate pair without the other half`},
		{"low surrogate alone", `"\ude00"`, `f:1:2: \ude00 is half of a surrogate pair without the other half`},
		{"NUL in a string", "\"\x00\"", "f:1:2: NUL in a string"},
		{"NUL elsewhere", "[\x00]", `f:1:2: unexpected '\x00', want a value`},
		{"byte order mark", "\ufeff{}", `f:1:1: unexpected '\ufeff', want a value`},
		{"not UTF-8", "{\n\"ü\xff\"", "f:2:4: byte 0xff is not UTF-8"},
		{"key given twice", "{\"a\": 1,\n \"b\": 2, \"a\": 3}", `f:2:10: key "a" is given twice; the first is at line 1, column 2`},
		{"key given twice, escaped", `{"a": 1, "\u0061": 3}`, `f:1:10: key "a" is given twice; the first is at line 1, column 2`},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse([]byte(row.text), "f")
			require.EqualError(t, err, row.want)
			require.ErrorIs(t, err, ErrSyntax)
			var typed *Error
			require.ErrorAs(t, err, &typed)
		})
	}
}

func TestParseFindsARepeatedKeyAmongMany(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "\"k%d\": %d,", i, i)
	}
	v := mustParse(t, "{"+text.String()+"}")
	require.Equal(t, int64(987), v.Get("k987").Int)
	require.Nil(t, v.Get("k1000"))

	_, err := Parse([]byte("{"+text.String()+"\n\"k3\": 0}"), "f")
	require.EqualError(t, err, `f:2:1: key "k3" is given twice; the first is at line 1, column 26`)
}

func TestValuesKnowTheirPlaces(t *testing.T) {
	v := mustParse(t, "{ /* ü */ \"b\": [1,\n\t\"x\"],\n \"a\": {\"c\": null}}")
	require.Equal(t, "f:1:1", v.Pos.String())
	require.Equal(t, "f:1:12", v.Members[0].Pos.String(), "bytes, and ü has two")
	require.Equal(t, "f:1:17", v.Get("b").Pos.String())
	require.Equal(t, "f:2:2", v.Get("b").Items[1].Pos.String())
	require.Equal(t, "f:3:13", v.Get("a").Get("c").Pos.String())
	require.Equal(t, []string{"b", "a"}, []string{v.Members[0].Name, v.Members[1].Name}, "the order of the file")

	require.EqualError(t, v.Get("b").Errorf("want %d", 5), "f:1:17: want 5")
	require.Nil(t, v.Get("b").Get("a"), "an array has no members")
}

func TestNumber(t *testing.T) {
	v := mustParse(t, `[3, 2.5, "7"]`)
	number, ok := v.Items[0].Number()
	require.True(t, ok)
	require.Equal(t, 3.0, number)
	number, ok = v.Items[1].Number()
	require.True(t, ok)
	require.Equal(t, 2.5, number)
	_, ok = v.Items[2].Number()
	require.False(t, ok)
}

func TestKindNames(t *testing.T) {
	v := mustParse(t, `[null, true, 1, 1.5, "", [], {}]`)
	var names []string
	for _, item := range v.Items {
		names = append(names, item.Kind.String())
	}
	require.Equal(t, "null bool int float string array object", strings.Join(names, " "))
	require.Equal(t, "Kind(200)", Kind(200).String())
}

func TestParseBounds(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, row := range []struct {
		name, text, want string
	}{
		{"deep arrays", nested(maxDepth + 1), "f:1:201: values are nested more than 200 deep"},
		{"deep objects", strings.Repeat(`{"a":`, maxDepth+1), "f:1:1001: values are nested more than 200 deep"},
		{"very deep", strings.Repeat("[", 1<<20), "f:1:201: values are nested more than 200 deep"},
		{"many values", "[" + strings.Repeat("1,", maxSize/valueSize+1) + "]", "f:1:2097154: the file has more than 64 MiB of values"},
		{"large", strings.Repeat(" ", MaxFileBytes+1), "f:1:1: the file has 16777217 bytes, more than 16 MiB"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse([]byte(row.text), "f")
			require.EqualError(t, err, row.want)
			require.ErrorIs(t, err, ErrLimit)
		})
	}
	v, err := Parse([]byte(nested(maxDepth)), "f")
	require.NoError(t, err)
	require.Equal(t, maxDepth, v.depth)
	_, err = Parse([]byte(strings.Repeat(" ", MaxFileBytes-1)+"1"), "f")
	require.NoError(t, err)
}

// FuzzParse has encoding/json as the second opinion: what both accept, both read alike, and what encoding/json accepts ours
// refuses for a known reason only.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a": [1, -2.5e3, "x\u00fc\ud83d\ude00", true, null], "b": {}}`, `[1,]`, "// c\n[1]/* d */", `{"a":1,"a":2}`,
		`"\ud800"`, `1e999`, `01`, "\"\x01\"", "[[[[", `{"a"`, "\xff", "/*", `"\`, "-", "99999999999999999999",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data, "f")
		var want any
		theirs := json.Unmarshal(data, &want)
		if err != nil {
			var typed *Error
			require.ErrorAs(t, err, &typed)
			require.Positive(t, typed.Pos.Line)
			require.LessOrEqual(t, typed.Pos.Column, len(data)+1)
			if theirs == nil && !knownDifference(typed) {
				t.Fatalf("encoding/json reads %q, ours says %v", data, err)
			}
			return
		}
		if theirs == nil {
			require.Equal(t, want, floats(plain(v)))
		}
	})
}

func knownDifference(err *Error) bool {
	if errors.Is(err, ErrLimit) {
		return true
	}
	for _, reason := range []string{"given twice", "surrogate", "out of the range", "not UTF-8"} {
		if strings.Contains(err.Reason, reason) {
			return true
		}
	}
	return false
}

// floats makes every number a float64, as encoding/json does.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	}
	return v
}
