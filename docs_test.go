package memcache_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// Go code in the other documents compiles, because each snippet is a part of a Go file of this repository.
func TestSnippetsAreInFilesThatCompile(t *testing.T) {
	var files []string
	walkFiles(t, ".go", func(path string) { files = append(files, unindented(readFile(t, path))) })
	walkFiles(t, ".md", func(path string) {
		for _, snippet := range goSnippets(readFile(t, path)) {
			require.True(t, isInOne(files, unindented(snippet)), "%s: no Go file contains\n%s", path, snippet)
		}
	})
}

func isInOne(files []string, code string) bool {
	for _, file := range files {
		if strings.Contains(file, code) {
			return true
		}
	}
	return false
}

// The tests that documents name exist.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	exists := functions(t, "_test.go")
	named := 0
	walkFiles(t, ".md", func(path string) {
		for _, name := range testNames(readFile(t, path)) {
			require.True(t, exists[name], "%s: there is no test %s", path, name)
			named++
		}
	})
	require.Greater(t, named, 100)
}

// Options that documents name exist, in one package or another.
func TestDocumentsNameOptionsThatExist(t *testing.T) {
	exists := functions(t, ".go")
	named := 0
	walkFiles(t, ".md", func(path string) {
		for _, name := range firstGroups(`\b(With(?:out)?[A-Z]\w*)`, readFile(t, path)) {
			require.True(t, exists[name], "%s: there is no option %s", path, name)
			named++
		}
	})
	require.Greater(t, named, 50)
}

// functions returns the names of the functions of all files whose names end like that.
func functions(t *testing.T, suffix string) map[string]bool {
	names := map[string]bool{}
	walkFiles(t, suffix, func(path string) {
		for _, name := range firstGroups(`(?m)^func (\w+)`, readFile(t, path)) {
			names[name] = true
		}
	})
	return names
}

// Links between documents lead to files, and to headings, that exist.
func TestLinksLeadSomewhere(t *testing.T) {
	found := 0
	walkFiles(t, ".md", func(path string) {
		for _, link := range relativeLinks(readFile(t, path)) {
			file, heading, hasHeading := strings.Cut(link, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", path, link)
			if hasHeading {
				require.Contains(t, anchors(readFile(t, target)), heading, "%s links to %s", path, link)
			}
			found++
		}
	})
	require.Greater(t, found, 30)
}

// The names that programs and dashboards depend on are those that the page on compatibility lists, all of them and no others.
func TestNamesOfTheCompatibilityPage(t *testing.T) {
	_, list, found := strings.Cut(readFile(t, "docs/compatibility.md"), "fails if one changes that is not changed here.\n")
	require.True(t, found)
	var want []string
	for _, source := range []struct{ file, pattern, prefix string }{
		{"events.go", `EventKind = "(\w+)"`, ""},
		{"errorclass.go", `\{"([\w-]+)", is`, ""},
		{"errorclass.go", `return "(\w+)"`, ""},
		{"contrib/prometheus/collector.go", `\{"(\w+)", "`, "memcache_"},
		{"contrib/prometheus/collector.go", `= "(node_\w+)"`, "memcache_"},
		{"contrib/prometheus/observer.go", `Name: "(\w+)"`, ""},
		{"contrib/otel/telemetry.go", `"((?:memcache|db\.client)\.[a-z_.]+)"`, ""},
		{"contrib/otel/figures.go", `"(memcache\.[a-z_.]+)"`, ""},
		{"contrib/otel/watch.go", `"(memcache\.[a-z_.]+)"`, ""},
	} {
		names := firstGroups(source.pattern, readFile(t, source.file))
		require.NotEmpty(t, names, source.file)
		for _, name := range names {
			want = append(want, source.prefix+name)
		}
	}
	require.ElementsMatch(t, want, firstGroups("`([^`]+)`", list))
}

// firstGroups returns what the first group of a pattern matches in a text, each match once.
func firstGroups(pattern, text string) (groups []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		if !slices.Contains(groups, match[1]) {
			groups = append(groups, match[1])
		}
	}
	return groups
}

// What the tests above find in a text.
func TestGoSnippets(t *testing.T) {
	text := "a\n```go\nx := 1\n```\nb\n```sh\ngo test\n```\n```go\ny := 2\nz := 3\n```\n"
	require.Equal(t, []string{"x := 1\n", "y := 2\nz := 3\n"}, goSnippets(text))
	require.Equal(t, "if x {\ny()\n}\n", unindented("\tif x {\n\t\ty()\n\t}\n"))
	require.Equal(t, []string{"TestA", "FuzzB"}, testNames("`TestA`, FuzzB, Testing, aTestC, `testdata`"))
	require.Equal(t, []string{"a.md", "#b", "c/d.md#e-f"}, relativeLinks("[x](a.md) [y](#b) [z](c/d.md#e-f) [w](https://a.b/c)"))
	require.Equal(t, []string{"not-there-yet", "what-tls-does"}, anchors("# Not there, yet\ntext\n### What `TLS` does?\n#no heading\n"))
}

// goSnippets returns the code blocks of a Markdown text that say they are Go.
func goSnippets(markdown string) (snippets []string) {
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(markdown, -1) {
		snippets = append(snippets, block[1])
	}
	return snippets
}

// testNames returns the names of tests, fuzz targets, benchmarks and examples in a text.
func testNames(text string) []string {
	return regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z_]\w*`).FindAllString(text, -1)
}

// relativeLinks returns the targets of a Markdown text's links that are no URLs.
func relativeLinks(markdown string) (links []string) {
	for _, link := range regexp.MustCompile(`\]\(([^)\s:]+)\)`).FindAllStringSubmatch(markdown, -1) {
		links = append(links, link[1])
	}
	return links
}

// anchors returns the names by which links find the headings of a Markdown text: lower case, spaces as hyphens, without
// punctuation.
func anchors(markdown string) (names []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(markdown, -1) {
		plain := regexp.MustCompile(`[^\w\- ]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(plain, " ", "-"))
	}
	return names
}

// unindented returns code without the tabs at the start of its lines.
func unindented(code string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "")
}

// walkFiles calls visit with each file of the repository whose name ends like that, nested modules included.
func walkFiles(t *testing.T, suffix string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, suffix):
			visit(path)
		}
		return nil
	})
	require.NoError(t, err)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
