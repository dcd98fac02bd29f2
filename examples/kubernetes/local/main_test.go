package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheReadmeShowsWhatHappens: the rehearsal is played, and the README's output is its.
func TestTheReadmeShowsWhatHappens(t *testing.T) {
	missing := ""
	for _, program := range []string{"ip", "memcached"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = program + " is not installed"
		}
	}
	if os.Getuid() != 0 {
		missing = "network namespaces need root"
	}
	if missing != "" {
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		fmt.Fprintln(os.Stderr, "SKIPPED the Kubernetes rehearsal: "+missing)
		t.Skip(missing)
	}
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.Contains(t, string(readme), out.String())
}
