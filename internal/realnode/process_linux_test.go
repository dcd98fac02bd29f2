package realnode

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// orphanVariable makes this test binary a process that starts a node, prints its pid and kills itself.
const orphanVariable = "REALNODE_TEST_ORPHAN"

func TestMain(m *testing.M) {
	if os.Getenv(orphanVariable) == "" {
		os.Exit(m.Run())
	}
	n, err := Launch()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(n.Pid())
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func TestANodeEndsWithTheProcessThatStartedIt(t *testing.T) {
	Start(t) // skips where there is no memcached
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orphanVariable+"=1")
	output, err := cmd.Output()
	require.ErrorContains(t, err, "killed")
	pid, err := strconv.Atoi(strings.TrimSpace(string(output)))
	require.NoError(t, err)
	// The orphan belongs to init now, which gives no signal here when it has ended.
	require.Eventually(t, func() bool { return hasEnded(pid) }, 5*time.Second, 5*time.Millisecond)
}

// hasEnded counts a zombie as ended: whether it is reaped depends on the init of the machine.
func hasEnded(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}
