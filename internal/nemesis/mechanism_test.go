package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// missing are the mechanisms with what breaks without them, and what is to be done for that to be seen soon.
var missing = []struct{ name, breaks, args string }{
	{"M2", "I2", "-nodes 1 -connections 4 -propagation 0 -processes 1 -keys 4 -rate 3000 -workers 16 -hurry 3 -faults net-paths"},
	{"M3", "I2,I4", "-nodes 3 -propagation 0 -faults net-refuse,net-rst"},
	{"M4", "I3,I7", "-nodes 3 -life-gap 1s -faults leave"},
	{"M6", "I5", "-nodes 3 -faults none"},
	{"M7", "I6", "-nodes 3 -propagation 0 -faults none"},
	{"M9", "I3", "-nodes 3 -topology sharded -keys 4 -round 15s -life-gap 4s -faults leave"},
}

// The checker is checked: what is broken without a mechanism is found within a minute, and what is not broken is not. Each
// row takes a few seconds.
func TestEachMechanismIsMissed(t *testing.T) {
	realnode.Start(t) // skips where there is no memcached
	t.Parallel()
	program := filepath.Join(t.TempDir(), "nemesis")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", mechanism.Tag, "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	play := func(ctx context.Context, t *testing.T, seed int, args string) {
		common := fmt.Sprintf("-seed %d -round 4s -repair 500ms ", seed) // two with one seed would want the same addresses
		out, err := exec.CommandContext(ctx, program, strings.Fields(common+args)...).CombinedOutput()
		t.Logf("%s\n%s", args, out)
		require.NoError(t, err)
	}
	for i, row := range missing {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute+20*time.Second) // to start and to check
			defer cancel()
			play(ctx, t, i, "-duration 60s -without "+row.name+" -expect "+row.breaks+" "+row.args)
			play(ctx, t, i, "-duration 4s "+row.args) // the same with it
		})
	}
}

func TestMechanismsOfANormalBuildStayOn(t *testing.T) {
	_, err := parseFlags([]string{"-without", "M3"})
	require.ErrorContains(t, err, mechanism.Tag)
}
