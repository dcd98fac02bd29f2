package memcache_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each package has one package comment, and it is attached: one that stands apart from its package clause is invisible
// to go doc. Those of libraries open with the question that the package answers.
func TestPackageComments(t *testing.T) {
	for dir, files := range sourceFiles(t) {
		var comments []string
		name := ""
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.PackageClauseOnly)
			require.NoError(t, err)
			name = file.Name.Name
			require.False(t, hasLooseComment(file), "%s: a comment before the package clause is not attached", path)
			if file.Doc != nil {
				comments = append(comments, file.Doc.Text())
			}
		}
		require.Len(t, comments, 1, "package comments in %s", dir)
		switch {
		case name == "main":
		case dir == ".":
			require.True(t, strings.HasPrefix(comments[0], "Package memcache is a memcached client "), dir)
		default:
			require.True(t, strings.HasPrefix(comments[0], "Package "+name+" answers: "), dir)
			require.Contains(t, comments[0][:strings.Index(comments[0], "\n\n")], "?", dir)
		}
	}
}

// hasLooseComment reports whether a comment before the package clause is neither attached nor a build constraint.
func hasLooseComment(file *ast.File) bool {
	return slices.ContainsFunc(file.Comments, func(c *ast.CommentGroup) bool {
		return c.Pos() < file.Package && c != file.Doc && !strings.HasPrefix(c.List[0].Text, "//go:build ")
	})
}

// sourceFiles returns the Go files of each package of the module, tests left out, by directory.
func sourceFiles(t *testing.T) map[string][]string {
	files := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "bench" || path != "." && strings.HasPrefix(d.Name(), ".")) { // another module
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files[filepath.Dir(path)] = append(files[filepath.Dir(path)], path)
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, files, "route")
	return files
}
