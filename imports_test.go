package memcache_test

import (
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWhatIsLinked: a program that imports this package links two modules beside it, whatever tests and other packages
// need.
func TestWhatIsLinked(t *testing.T) {
	program := filepath.Join(t.TempDir(), "rootonly")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "./internal/rootonly").CombinedOutput()
	require.NoError(t, err, "%s", output)
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	var linked []string
	for _, dep := range info.Deps {
		linked = append(linked, dep.Path)
	}
	require.ElementsMatch(t, []string{"github.com/cespare/xxhash/v2", "golang.org/x/sync"}, linked)
}
