package difftest_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	theirs "github.com/bradfitz/gomemcache/memcache"
	ours "github.com/nohop/memcache/gomemcache"
	"github.com/stretchr/testify/require"
)

// Every exported name of gomemcache is there, and no other.
func TestSameNames(t *testing.T) {
	want := exported(t, "github.com/bradfitz/gomemcache/memcache")
	require.Contains(t, want, "NewFromSelector")
	require.Contains(t, want, "ErrNoStats")
	require.Equal(t, want, exported(t, "github.com/nohop/memcache/gomemcache"))
}

// exported returns the names that a package exports, methods and fields left out.
func exported(t *testing.T, path string) (names []string) {
	list, err := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}} {{end}}`, path).Output()
	require.NoError(t, err)
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range strings.Fields(string(list)) {
		file, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		files = append(files, file)
	}
	pkg, err := doc.NewFromFiles(fset, files, path)
	require.NoError(t, err)
	values, functions := slices.Concat(pkg.Consts, pkg.Vars), pkg.Funcs
	for _, typ := range pkg.Types {
		names = append(names, typ.Name)
		values, functions = slices.Concat(values, typ.Consts, typ.Vars), append(functions, typ.Funcs...)
	}
	for _, v := range values {
		names = append(names, v.Names...)
	}
	for _, f := range functions {
		names = append(names, f.Name)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !ast.IsExported(name) })
	slices.Sort(names)
	return names
}

// Each type has gomemcache's methods and fields, with the same types. Beyond them there are only the methods that make
// ConnectTimeoutError a net.Error with a cause.
func TestSameTypes(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*theirs.Client](), reflect.TypeFor[*ours.Client]()},
		{reflect.TypeFor[*theirs.Item](), reflect.TypeFor[*ours.Item]()},
		{reflect.TypeFor[*theirs.ServerList](), reflect.TypeFor[*ours.ServerList]()},
		{reflect.TypeFor[*theirs.ServerSelector](), reflect.TypeFor[*ours.ServerSelector]()},
		{reflect.TypeFor[*theirs.ConnectTimeoutError](), reflect.TypeFor[*ours.ConnectTimeoutError]()},
	} {
		want, got := members(pair[0]), members(pair[1])
		if pair[1] == reflect.TypeFor[*ours.ConnectTimeoutError]() {
			for _, name := range []string{"Unwrap", "Timeout", "Temporary"} {
				require.Contains(t, got, name)
				delete(got, name)
			}
		}
		require.NotEmpty(t, want)
		require.Equal(t, want, got, pair[0])
	}
	require.Equal(t, reflect.TypeOf(theirs.New).String(), reflect.TypeOf(ours.New).String())
	require.Equal(t, reflect.TypeOf(theirs.NewFromSelector).String(), reflect.TypeOf(ours.NewFromSelector).String())
	require.Equal(t, theirs.DefaultTimeout, ours.DefaultTimeout)
	require.Equal(t, theirs.DefaultMaxIdleConns, ours.DefaultMaxIdleConns)
}

// members returns the types of a pointer type's methods and of its fields, by name. Both packages are named memcache, so
// their types have the same text.
func members(p reflect.Type) map[string]string {
	found := map[string]string{}
	withMethods := p
	if p.Elem().Kind() == reflect.Interface {
		withMethods = p.Elem()
	}
	for m := range withMethods.Methods() {
		found[m.Name] = m.Type.String()
	}
	if p.Elem().Kind() != reflect.Struct {
		return found
	}
	for _, f := range reflect.VisibleFields(p.Elem()) {
		if f.IsExported() {
			found[f.Name] = f.Type.String()
		}
	}
	return found
}
