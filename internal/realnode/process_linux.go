package realnode

import "syscall"

// Numbers of waitid(2) that package syscall does not name for every architecture.
const (
	idTypePid  = 1         // P_PID
	waitStop   = 0x2       // WSTOPPED
	waitExit   = 0x4       // WEXITED
	waitNoReap = 0x1000000 // WNOWAIT: leave the event for exec.Cmd.Wait
)

// dieWithParent makes the kernel end the node if the test process dies without its cleanups, as after a panic, and
// only then: an interrupt typed at the terminal goes to the process group of the test, not to the node.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// waitStopped returns when the child pid has stopped or ended. SIGSTOP alone is not enough: a thread on another CPU
// runs on for a moment, and the kernel reports the stop when the last one stands.
func waitStopped(pid int) {
	const events = waitStop | waitExit | waitNoReap
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, idTypePid, uintptr(pid), 0, events, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}
