package memcache_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const migrationPage = "../docs/from-gomemcache.md"

// The tests that the documents name exist, here or in difftest.
func TestDocumentsNameWhatExists(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"*_test.go", "difftest/*_test.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			tests.WriteString(read(t, file))
		}
	}
	for _, document := range []string{"doc.go", migrationPage} {
		names := regexp.MustCompile(`\bTest[A-Z]\w*`).FindAllString(read(t, document), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			if name != "TestDifference" {
				require.True(t, strings.Contains(tests.String(), "func "+name+"("), "%s names %s", document, name)
			}
		}
	}
}

// Code in the migration page is a part of an example, and so compiles.
func TestMigrationPageSnippets(t *testing.T) {
	plain := func(code string) string { return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "") }
	examples := plain(read(t, "example_test.go"))
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, migrationPage), -1)
	require.NotEmpty(t, snippets)
	for _, snippet := range snippets {
		require.Contains(t, examples, plain(snippet[1]))
	}
}

func read(t *testing.T, file string) string {
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(content)
}
