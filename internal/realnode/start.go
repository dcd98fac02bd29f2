package realnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Start runs memcached for the length of t on a free port of 127.0.0.1, as Launch does, and stops it in t.Cleanup.
// It ends the test if memcached does not start, and skips it if none is installed (see the package comment).
func Start(t testing.TB, args ...string) *Node {
	t.Helper()
	n, err := Launch(args...)
	return own(t, n, err)
}

// StartUnix is Start on a unix socket; Addr is its path.
func StartUnix(t testing.TB, args ...string) *Node {
	t.Helper()
	// Not t.TempDir: its path contains the test's name, and a socket's path may have 107 bytes only.
	dir, err := os.MkdirTemp("", "realnode")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	n, err := launchUnix(filepath.Join(dir, "socket"), args)
	return own(t, n, err)
}

// StartTLS is Start with TLS and a new self-signed certificate for 127.0.0.1, which the node's TLS field trusts.
func StartTLS(t testing.TB, args ...string) *Node {
	t.Helper()
	cert, err := writeCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("ssl_chain_cert=%s,ssl_key=%s", cert.certFile, cert.keyFile)
	n, err := launchTCP(append([]string{"-Z", "-o", options}, args...), cert.client, credentials{})
	return own(t, n, err)
}

// StartAuth is Start with text authentication (-Y): the node takes commands only after a set with "user password" as
// its value.
func StartAuth(t testing.TB, user, password string, args ...string) *Node {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(user+":"+password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := launchTCP(append([]string{"-Y", file}, args...), nil, credentials{user, password})
	return own(t, n, err)
}

// own gives a started node to t, or ends t.
func own(t testing.TB, n *Node, err error) *Node {
	t.Helper()
	if errors.Is(err, ErrNotInstalled) {
		refuseOrSkip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// refuseOrSkip ends t because memcached is missing. The message goes to standard error as well, because go test hides
// skipped tests unless asked.
func refuseOrSkip(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "\nSKIPPED %s: %v\n\n", t.Name(), err)
	t.Skip(err)
}
