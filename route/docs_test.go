package route

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const mcrouterPage = "../docs/from-mcrouter.md"

func readFile(t *testing.T, file string) string {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(content)
}

// The tests that the page names exist.
func TestMcrouterPageNamesTests(t *testing.T) {
	var tests strings.Builder
	for _, folder := range []string{".", "..", "../pool", "../placement", "internal/mcjson"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			tests.WriteString(readFile(t, file))
		}
	}
	names := regexp.MustCompile("`(Test[A-Z]\\w*)`").FindAllStringSubmatch(readFile(t, mcrouterPage), -1)
	require.Greater(t, len(names), 50)
	for _, name := range names {
		require.True(t, strings.Contains(tests.String(), "func "+name[1]+"("), name[1])
	}
}

// The page speaks of every handle and option that the loader knows, and gives the loader's reasons.
func TestMcrouterPageIsComplete(t *testing.T) {
	page, doc := readFile(t, mcrouterPage), readFile(t, "doc.go")
	for kind := range handleTypes {
		require.True(t, strings.Contains(page, kind), kind)
	}
	for operation := range policies {
		require.True(t, strings.Contains(page, "`"+operation+"`"), operation)
	}
	for kind, why := range unsupportedTypes {
		require.True(t, strings.Contains(page, "| "+kind+" | "+why+" |"), kind)
		require.True(t, strings.Contains(doc, kind) && strings.Contains(doc, why), kind)
	}
	for operation, why := range otherPolicies {
		require.True(t, strings.Contains(page, "| the policy of `"+operation+"` | "+why+" |"), operation)
	}
	for kind, options := range ignoredOptions {
		if kind == "" {
			kind = "any handle"
		}
		for option, why := range options {
			require.True(t, strings.Contains(page, "| `"+option+"` of "+kind+" | "+why+" |"), option)
		}
	}
}

// Its code is a part of an example, and so compiles.
func TestMcrouterPageSnippets(t *testing.T) {
	plain := func(code string) string { return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "") }
	examples := plain(readFile(t, "../mcrouter_test.go"))
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readFile(t, mcrouterPage), -1)
	require.NotEmpty(t, snippets)
	for _, snippet := range snippets {
		require.True(t, strings.Contains(examples, plain(snippet[1])), snippet[1])
	}
}
