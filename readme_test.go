package memcache_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Code in the README compiles and runs, because each Go snippet of it is a part of an example.
func TestReadmeSnippetsAreInExamples(t *testing.T) {
	readme, examples := readFile(t, "README.md"), unindented(readFile(t, "example_test.go"))
	snippets := goSnippets(readme)
	require.NotEmpty(t, snippets)
	for _, snippet := range snippets {
		require.Contains(t, examples, unindented(snippet))
	}
}

// The tests that the README names exist, and so do the files that it links to.
func TestReadmeNamesWhatExists(t *testing.T) {
	readme, tests := readFile(t, "README.md"), allTests(t)
	names := regexp.MustCompile(`\b(?:Test|Fuzz|Example)[A-Z_]\w*`).FindAllString(readme, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, tests, "func "+name+"(", "no such test")
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readme, -1) {
		_, err := os.Stat(link[1])
		require.NoError(t, err)
	}
}

func TestGoSnippets(t *testing.T) {
	text := "a\n```go\nx := 1\n```\nb\n```sh\ngo test\n```\n```go\ny := 2\nz := 3\n```\n"
	require.Equal(t, []string{"x := 1\n", "y := 2\nz := 3\n"}, goSnippets(text))
	require.Equal(t, "if x {\ny()\n}\n", unindented("\tif x {\n\t\ty()\n\t}\n"))
}

// goSnippets returns the code blocks of a Markdown text that say they are Go.
func goSnippets(markdown string) (snippets []string) {
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(markdown, -1) {
		snippets = append(snippets, block[1])
	}
	return snippets
}

// unindented returns code without the tabs at the start of its lines.
func unindented(code string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "")
}

// allTests returns the source of all tests of this module and of those below it.
func allTests(t *testing.T) string {
	var source strings.Builder
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			source.WriteString(readFile(t, path))
		}
		return err
	})
	require.NoError(t, err)
	return source.String()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
