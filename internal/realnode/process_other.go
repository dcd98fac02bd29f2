//go:build unix && !linux

package realnode

import "syscall"

// dieWithParent has no counterpart here: nodes of a test that dies without its cleanups stay behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// waitStopped does not wait here: the process may run on for some microseconds after Pause.
func waitStopped(int) {}
