package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A process cannot undo it, so another one does it: this test's program itself.
func TestCallsTakeLonger(t *testing.T) {
	const asked = "BENCH_TEST_LONGER_CALLS"
	if os.Getenv(asked) != "" {
		cost, err := costOfCalls(5 * time.Microsecond)
		require.NoError(t, err)
		fmt.Printf("cost=%v\n", cost)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestCallsTakeLonger$")
	child.Env = append(os.Environ(), asked+"=1")
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	_, printed, _ := strings.Cut(string(out), "cost=")
	printed, _, _ = strings.Cut(printed, "\n")
	cost, err := time.ParseDuration(printed)
	require.NoError(t, err, string(out))
	require.Greater(t, cost, 3*time.Microsecond)

	own, err := costOfCalls(0)
	require.NoError(t, err)
	require.Less(t, own, cost, "this process's calls are as they were")
}
