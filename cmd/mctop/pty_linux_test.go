package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openPTY returns both ends of a pseudo terminal (man 7 pty).
func openPTY(t *testing.T, wide, high uint16) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { user.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { program.Close() })
	resize(t, program, wide, high)
	return user, program
}

func resize(t *testing.T, f *os.File, wide, high uint16) {
	t.Helper()
	require.NoError(t, unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: high, Col: wide}))
}

// seen is what the user's end has received.
type seen struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *seen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *seen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// last is the screen that was drawn last.
func (s *seen) last() string {
	text := s.text()
	return text[strings.LastIndex(text, toTop)+1:]
}

func TestInATerminal(t *testing.T) {
	user, program := openPTY(t, 100, 12)
	before, err := term.GetState(int(program.Fd()))
	require.NoError(t, err)
	var screen seen
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := user.Read(buffer)
			screen.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	see := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(screen.last(), what) }, 10*time.Second, time.Millisecond, what)
	}
	press := func(keys string) {
		_, err := user.WriteString(keys)
		require.NoError(t, err)
	}

	status := make(chan int, 1)
	go func() {
		status <- run(context.Background(), []string{serve(t, reported())}, program, program, os.Stderr)
	}()
	see("front-page")
	require.True(t, strings.HasPrefix(screen.text(), enter))
	press("\t")
	see("session.uesr_id")
	press("3")
	see("user:#:x")
	press("1/count\r")
	see("filter: count (esc: none)")
	require.NotContains(t, screen.last(), "front-page")
	press("\x1b")
	see("front-page")
	press(" ")
	see("PAUSED")
	resize(t, program, 60, 12)
	require.NoError(t, unix.Kill(os.Getpid(), unix.SIGWINCH))
	require.Eventually(t, func() bool { return !strings.Contains(screen.last(), "HOME") }, 10*time.Second, time.Millisecond)
	press("q")
	require.Zero(t, <-status)
	require.Eventually(t, func() bool { return strings.HasSuffix(screen.text(), leave) }, 10*time.Second, time.Millisecond)
	after, err := term.GetState(int(program.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestATerminalThatIsToldToEndIsLeftInOrder(t *testing.T) {
	user, program := openPTY(t, 80, 24)
	go func() {
		buffer := make([]byte, 4096)
		for {
			if _, err := user.Read(buffer); err != nil {
				return
			}
		}
	}()
	before, err := term.GetState(int(program.Fd()))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"127.0.0.1:1"}, program, program, os.Stderr) }()
	require.Eventually(t, func() bool {
		now, err := term.GetState(int(program.Fd()))
		return err == nil && *now != *before
	}, 10*time.Second, time.Millisecond)
	cancel()
	require.Zero(t, <-status)
	after, err := term.GetState(int(program.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
}
