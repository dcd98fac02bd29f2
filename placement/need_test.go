package placement

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// need skips t if a program is missing. It says so on standard error as well, because go test hides skipped tests; if
// the environment variable CI is set, t fails instead.
func need(t testing.TB, program, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, fmt.Sprintf("%s is not installed (Debian: apt-get install %s)", program, debianPackage))
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	fmt.Fprintf(os.Stderr, "\nSKIPPED %s: %s\n\n", t.Name(), what)
	t.Skip(what)
}
