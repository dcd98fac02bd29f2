package main

import (
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheReadmeShowsWhatHappens: the output there is the program's, but for the bytes.
func TestTheReadmeShowsWhatHappens(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out))
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	require.Contains(t, masked(string(readme)), masked(out.String()))
	require.NotContains(t, masked(out.String()), "█")
}

// masked leaves out what no two runs have in common.
func masked(text string) string {
	return regexp.MustCompile(` +[\d.]+ MiB █+`).ReplaceAllString(text, " …")
}

// A claim that does not hold is an error, or the exit code would mean nothing.
func TestBrokenClaimsAreErrors(t *testing.T) {
	nodes := startFleet(5)
	defer nodes.close()
	s := &show{io.Discard, nodes}
	even := traffic{hot: product(0), hotSize: productSize, reads: 1000}
	require.ErrorContains(t, s.relieve(t.Context(), traffic{hot: "front-page", hotSize: 1, reads: 1000}, "keep"), "no node had to send more")
	client, err := nodes.newClient()
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, even.store(t.Context(), client))
	require.ErrorContains(t, s.find(t.Context(), client, even, "spread 5"), `with the remedy "keep"`)
	require.ErrorContains(t, traffic{hot: "front-page", hotSize: 2, reads: 2}.read(t.Context(), client), "wrong value")
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, run(ctx, io.Discard), context.Canceled)
}
