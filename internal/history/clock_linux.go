package history

import (
	"syscall"
	"unsafe"
)

// clockMonotonic is CLOCK_MONOTONIC of clock_gettime(2): time since the machine started, never set back, and the same for
// all processes of the machine that share a time namespace.
const clockMonotonic = 1

// Now returns the time of a clock that all processes of this machine share.
//
// Package time has no such clock: its monotonic part counts from the start of each process.
func Now() Time {
	var t syscall.Timespec
	// The only errors are a clock that does not exist and a bad pointer.
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&t)), 0)
	return Time(t.Nano())
}
