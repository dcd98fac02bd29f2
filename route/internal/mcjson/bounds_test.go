package mcjson

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// laughs is ten constants, each made of ten times the one before it.
func laughs(result func(inner string) string) string {
	var macros strings.Builder
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&macros, `"l%d": {"type": "constDef", "result": %s},`, i, result(fmt.Sprintf("%%l%d%%", i-1)))
	}
	return `{"macros": {"l0": {"type": "constDef", "result": "ha"},` + macros.String() + `}, "x": "%l10%"}`
}

// TestExpansionIsBounded has a row for each way to make much out of little. Each must end in ErrLimit, soon, and without
// taking much memory.
func TestExpansionIsBounded(t *testing.T) {
	macro := func(result string) string {
		return `{"macros": {"m": {"type": "macroDef", "params": [{"name": "p", "default": ""}], "result": ` + result + `}}, "x": "@m"}`
	}
	list := func(item string) string { return "[" + strings.Repeat(item+",", 10) + "]" }
	const million = `{"type": "range", "from": 1, "to": 1000000}`
	for _, row := range []struct{ name, text string }{
		{"laughs, arrays", laughs(func(inner string) string { return list(`"` + inner + `"`) })},
		{"laughs, objects", laughs(func(inner string) string {
			return `{"a": "` + inner + `", "b": "` + inner + `", "c": "` + inner + `", "d": "` + inner + `", "e": "` + inner + `", "f": "` + inner + `", "g": "` + inner + `", "h": "` + inner + `"}`
		})},
		{"laughs, strings", laughs(func(inner string) string { return `"` + strings.Repeat(inner, 10) + `"` })},
		{"laughs, merge", laughs(func(inner string) string {
			return `{"type": "merge", "params": ` + list(`"`+inner+`"`) + `}`
		})},
		{"macro of itself", macro(`"@m"`)},
		{"macro of itself, as object", macro(`{"type": "m"}`)},
		{"macro of itself, growing", macro(`"@m(%p%%p%xxxxxxxxxxxxxxxxxxxxxxxxxxx)"`)},
		{"macro of itself, ten times", macro(list(`"@m"`))},
		{"name of itself", `{"macros": {"m": {"type": "macroDef", "params": ["p"], "result": {"type": "@m(%p%)"}}}, "x": "@m(m)"}`},
		{"long range", `{"x": "@range(@int(0),@int(10000000))"}`},
		{"longest range", `{"x": "@range(@int(-9223372036854775808),@int(9223372036854775807))"}`},
		{"range of ranges", `{"x": {"type": "transform", "dictionary": "@range(@int(1),@int(10000))", "itemTransform": "@range(@int(1),@int(10000))"}}`},
		{"loop in loop, no output", `{"x": {"type": "process", "initialValue": 0, "dictionary": ` + million + `, "transform": {"type": "process", "initialValue": 0, "dictionary": ` + million + `, "transform": 1}}}`},
		{"value that grows in a loop", `{"x": {"type": "process", "initialValue": [1], "dictionary": "@range(@int(1),@int(100))", "transform": {"type": "merge", "params": ["%value%", "%value%"]}}}`},
		{"value that grows slowly", `{"x": {"type": "process", "initialValue": [], "dictionary": "@range(@int(1),@int(100000))", "transform": {"type": "merge", "params": ["%value%", ["%item%"]]}}}`},
		{"value that gets deep", `{"x": {"type": "process", "initialValue": [], "dictionary": "@range(@int(1),@int(1000))", "transform": ["%value%"]}}`},
		{"object that grows", `{"x": {"type": "process", "initialValue": {}, "dictionary": "@range(@int(1),@int(100000))", "transform": {"type": "set", "dictionary": "%value%", "key": "@str(%item%)", "value": 1}}}`},
		{"comparisons", `{"x": {"type": "process", "initialValue": 0, "dictionary": "@range(@int(1),@int(100000))", "transform": {"vars": {"a": "@range(@int(1),@int(1000))"}, "type": "equals", "A": "%a%", "B": "%a%"}}}`},
		{"text that is scanned again and again", `{"x": "` + strings.Repeat("@not(", 240) + strings.Repeat("a", 1<<20) + strings.Repeat(")", 240) + `"}`},
		{"many pieces", `{"x": {"type": "split", "dictionary": "` + strings.Repeat(",", 2<<20) + `", "delim": ","}}`},
		{"output of shared parts", `{"macros": {"big": {"type": "constDef", "result": "@range(@int(1),@int(100000))"}}, "x": ["%big%", "%big%", "%big%", "%big%", "%big%", "%big%", "%big%", "%big%", "%big%", "%big%", "%big%"]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			config, err := Parse([]byte(row.text), "f")
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err = Expand(config, Options{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)

			require.ErrorIs(t, err, ErrLimit)
			require.Less(t, took, 20*time.Second, "a bound of steps, far from any machine's speed")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<30), "allocated in all")
			t.Logf("%v, %d MiB: %v", took, (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

// TestABigHonestConfigurationFits has ten pools of five thousand servers, written and made.
func TestABigHonestConfigurationFits(t *testing.T) {
	var servers strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&servers, "\"10.0.%d.%d:11211\",\n", i/250, i%250)
	}
	var pools strings.Builder
	for i := range 10 {
		fmt.Fprintf(&pools, "\"written%d\": {\"servers\": [%s]},\n", i, servers.String())
		fmt.Fprintf(&pools, `"made%d": {"servers": {"type": "transform", "dictionary": "@range(@int(1),@int(5000))", "itemTransform": "@address(@str(%%item%%))"}},`, i)
	}
	config, err := expandText(`{"macros": {"address": {"type": "macroDef", "params": ["port"], "result": "10.1.1.1:%port%"}}, "pools": {`+pools.String()+`}}`, nil)
	require.NoError(t, err)
	require.Len(t, config.Get("pools").Get("written9").Get("servers").Items, 5000)
	require.Equal(t, "10.1.1.1:777", config.Get("pools").Get("made3").Get("servers").Items[776].Str)
}

// TestPlainExpansionAllocates only for the arrays and objects: strings and numbers without macros are shared.
func TestPlainExpansionAllocatesForContainersOnly(t *testing.T) {
	config := mustParse(t, `{"a": [`+strings.Repeat(`"10.0.0.1:11211",`, 1000)+`]}`)
	allocations := testing.AllocsPerRun(10, func() {
		_, err := Expand(config, Options{})
		require.NoError(t, err)
	})
	require.Less(t, allocations, 500.0, "1000 strings")
}

func TestImportFrom(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pools.json"), []byte(`["@import(servers.json)"]`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "servers.json"), []byte(`5`), 0o600))
	big, err := os.Create(filepath.Join(dir, "big.json"))
	require.NoError(t, err)
	require.NoError(t, big.Truncate(MaxFileBytes+1))
	require.NoError(t, big.Close())
	read := ImportFrom(dir)

	for _, path := range []string{"servers.json", filepath.Join(dir, "servers.json"), "file:" + filepath.Join(dir, "servers.json")} {
		data, err := read(path)
		require.NoError(t, err)
		require.Equal(t, "5", string(data), path)
	}
	_, err = read("gone.json")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = read("big.json")
	require.ErrorContains(t, err, "big.json has more than 16 MiB")

	config, err := Expand(mustParse(t, `{"x": "@import(pools.json)"}`), Options{Import: read})
	require.NoError(t, err)
	require.Equal(t, []any{int64(5)}, plain(config.Get("x")))
	_, err = Expand(mustParse(t, `{"x": "@import(gone.json)"}`), Options{Import: read})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzExpand looks for panics and for expansions that do not end. What comes out is within the bounds, and has no macros left
// that a second expansion of its plain parts could run on.
func FuzzExpand(f *testing.F) {
	for _, seed := range []string{
		`{"macros": {"m": {"type": "macroDef", "params": ["a", {"name": "b", "default": 1}], "result": {"x%a%": "%b%"}}}, "x": "@m(1,@m(2))"}`,
		`{"macros": [{"c": {"type": "constDef", "result": "%d%"}}, {"d": {"type": "constDef", "result": "%c%"}}], "x": "%c%"}`,
		`{"x": {"vars": {"a": "%b%", "b": [1]}, "type": "transform", "dictionary": "%a%", "itemTransform": {"type": "process", "dictionary": {"k": "v"}, "initialValue": "", "transform": "%key%%item%%value%"}}}`,
		`{"x": {"type": "foreach", "from": "@range(@int(1),@int(9))", "where": "@less(%item%,@int(3))", "top": 2, "use": {"@str(%item%)": "@mul(%item%,%item%)"}}}`,
		`{"x": ["@import(pools)", "@import(gone, d)", "@select(a,b)", "@if(@bool(1),@slice(abc,@int(0),@int(1)),\\@)", "@hash(x)", "@shuffle(a)"]}`,
		`{"x": [{"type": "merge", "params": [{}, {"a": 1}]}, {"type": "sort", "dictionary": [1, "a", null]}, {"type": "weightedHash", "dictionary": {"a": 1}, "key": 1}]}`,
		`{"macros": {"m": {"type": "macroDef", "result": "@m"}}, "x": "@m"}`, `{"x": "@a(((,\\"}`, `{"x": "%%"}`, `{"@": 1}`, `{"vars": {"": ""}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := Parse(data, "f")
		if err != nil {
			return
		}
		v, err := Expand(config, Options{Import: importTestFile, Params: map[string]any{"router": "proxy", "count": 3}})
		if err != nil {
			var typed *Error
			require.ErrorAs(t, err, &typed)
			require.NotEmpty(t, typed.Reason)
			require.NotEmpty(t, typed.Pos.String())
			return
		}
		require.Equal(t, Object, v.Kind)
		size, depth := measure(v)
		require.Equal(t, v.size, size)
		require.Equal(t, v.depth, depth)
		require.LessOrEqual(t, size, int64(maxSize))
		require.LessOrEqual(t, depth, maxDepth)
	})
}

// measure walks through all of v.
func measure(v *Value) (size int64, depth int) {
	size = valueSize + int64(len(v.Str))
	for _, item := range v.Items {
		s, d := measure(item)
		size, depth = size+s, max(depth, d)
	}
	seen := map[string]bool{}
	for _, member := range v.Members {
		if seen[member.Name] || v.Get(member.Name) != member.Value {
			panic("member " + member.Name + " is not found by its name")
		}
		seen[member.Name] = true
		s, d := measure(member.Value)
		size, depth = size+s+int64(len(member.Name)), max(depth, d)
	}
	return size, depth + 1
}
