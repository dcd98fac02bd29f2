package realnode

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// maxLog is how much of a process's output is kept for error messages, in bytes.
const maxLog = 4096

// process is one run of memcached.
type process struct {
	cmd  *exec.Cmd
	pid  int
	log  *headLog
	done chan struct{} // closed when the process has ended and been waited for
}

// defaultArgs come before the caller's, so that the caller's win.
func defaultArgs() []string {
	args := []string{"-U", "0", "-t", "1"}
	if os.Getuid() == 0 {
		// memcached refuses to run as root unless told so by name. Another user could not read the files of a test's
		// temporary directory.
		args = append(args, "-u", "root")
	}
	return args
}

// spawn starts path and waits for its end in the background.
//
// The goroutine keeps its thread for as long as the child lives: Linux sends the parent-death signal when the thread
// that forked ends, not when the process does (prctl(2), PR_SET_PDEATHSIG).
func spawn(path string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), log: &headLog{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = dieWithParent()

	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // how it ended stands in cmd.ProcessState
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = p.cmd.Process.Pid
	return p, nil
}

// kill ends the process and returns when it has been waited for.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // the only error is that it has ended already
	<-p.done
}

// exitError explains an end that nobody asked for. It must only be called after done.
func (p *process) exitError() error {
	output := p.log.String()
	if strings.Contains(output, "failed to listen") {
		return fmt.Errorf("%w: %s", errPortTaken, output)
	}
	return fmt.Errorf("ended with %v: %s", p.cmd.ProcessState, output)
}

// headLog keeps the first maxLog bytes written to it: a process that fails to start says why at once.
type headLog struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

// Write implements io.Writer and never fails.
func (l *headLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	room := min(maxLog-len(l.text), len(b))
	l.text = append(l.text, b[:room]...)
	return len(b), nil
}

func (l *headLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.text))
}
