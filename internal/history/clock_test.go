package history

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// clockVariable makes this test binary a process that prints the time.
const clockVariable = "HISTORY_TEST_CLOCK"

func TestMain(m *testing.M) {
	if os.Getenv(clockVariable) == "" {
		os.Exit(m.Run())
	}
	fmt.Println(int64(Now()))
}

// Times of several processes can be compared.
func TestTheClockIsShared(t *testing.T) {
	for range 3 {
		before := Now()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), clockVariable+"=1")
		output, err := cmd.Output()
		after := Now()
		require.NoError(t, err)
		var there Time
		_, err = fmt.Sscan(string(output), (*int64)(&there))
		require.NoError(t, err)
		require.Greater(t, there, before)
		require.Less(t, there, after)
	}
}
