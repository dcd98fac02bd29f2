package memcache_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every exported function, method, type, constant and variable has a comment, in this module and in those below it: go doc
// has no blank spots. Fields, and methods of interfaces, may be covered by what is said of their type.
func TestExportedSymbolsAreDocumented(t *testing.T) {
	symbols := 0
	walkFiles(t, ".go", func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		for name, documented := range exportedSymbols(file) {
			require.True(t, documented, "%s: %s has no comment", path, name)
			symbols++
		}
	})
	require.Greater(t, symbols, 500)
}

func TestExportedSymbols(t *testing.T) {
	const source = `package p
// F has one.
func F() {}
func G() {}
func h() {}
// T has one.
type T struct{ A int }
func (*T[K]) M() {}
func (T) Error() string { return "" }
type u struct{ X int }
func (*u) N() {}
// Some constants.
const (
	K = 1
	L = 2
)
var V, w int
// I has one.
type I interface{ P() }
type (
	X int // has one
	Y int
)
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.ParseComments)
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"F": true, "G": false, "T": true, "T.M": false, "K": true, "L": true, "V": false,
		"I": true, "X": true, "Y": false}, exportedSymbols(file))
}

// exportedSymbols returns the exported functions, methods, types, constants and variables of a file, and whether each has a
// comment: its own, one on its line, or that of its group. Methods that say nothing but what their name says everywhere are left out.
func exportedSymbols(file *ast.File) map[string]bool {
	symbols := map[string]bool{}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if receiver := receiverName(decl); decl.Name.IsExported() && (receiver == "" || ast.IsExported(receiver) && !isUsual[decl.Name.Name]) {
				symbols[strings.TrimPrefix(receiver+"."+decl.Name.Name, ".")] = decl.Doc != nil
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				addSpec(symbols, spec, decl)
			}
		}
	}
	return symbols
}

// isUsual are methods that are known without a comment.
var isUsual = map[string]bool{"Error": true, "Unwrap": true, "Is": true, "String": true}

func addSpec(symbols map[string]bool, spec ast.Spec, group *ast.GenDecl) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			symbols[spec.Name.Name] = hasComment(spec.Doc, spec.Comment, group.Doc)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				symbols[name.Name] = hasComment(spec.Doc, spec.Comment, group.Doc)
			}
		}
	}
}

func hasComment(comments ...*ast.CommentGroup) bool {
	for _, c := range comments {
		if c != nil {
			return true
		}
	}
	return false
}

// receiverName returns the name of a method's type, or "".
func receiverName(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}
