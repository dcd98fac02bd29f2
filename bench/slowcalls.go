package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// costOfCalls returns what a system call takes that does next to nothing, once each takes longer by about extra, of this
// process and of those that it starts, for good. What a client gains by sharing system calls depends on what they cost, and
// that differs by a factor of ten and more between machines, kernels, sandboxes and what is switched on against flaws of
// processors.
//
// The calls run through a filter that computes (seccomp(2)).
func costOfCalls(extra time.Duration) (time.Duration, error) {
	cost := costOfCall()
	if extra > 0 {
		if err := slowCalls(float64(extra), cost); err != nil {
			return 0, err
		}
		cost = costOfCall()
	}
	return time.Duration(cost).Round(10 * time.Nanosecond), nil
}

// slowCalls installs filters that take extra nanoseconds, of calls that take cost.
func slowCalls(extra, cost float64) error {
	// A thread may install a filter if it renounces privileges that an exec would give. The filter's flag does both for all.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := installFilter(probeSize); err != nil {
		return err
	}
	each := max(costOfCall()-cost, 1) / probeSize // nanoseconds of an instruction
	for left := int(extra/each) - probeSize; left > 0; left -= maxFilterSize {
		if err := installFilter(min(left, maxFilterSize)); err != nil {
			return err
		}
	}
	return nil
}

const (
	probeSize     = 200
	maxFilterSize = unix.BPF_MAXINSNS - 2
)

// installFilter has each system call of the process run through size multiplications, and lets it pass. It reads an argument of
// the call, or the kernel would work out once and for all that the call passes.
func installFilter(size int) error {
	load := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: firstArgument}
	multiply := unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, K: 3}
	pass := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	code := slices.Concat([]unix.SockFilter{load}, slices.Repeat([]unix.SockFilter{multiply}, size), []unix.SockFilter{pass})
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, failed := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if failed != 0 {
		return fmt.Errorf("seccomp: %w", failed)
	}
	return nil
}

// firstArgument is where a filter finds the call's first argument (struct seccomp_data of linux/seccomp.h).
const firstArgument = 16

// costOfCall returns the nanoseconds that a system call takes which does next to nothing: the least of some tries.
func costOfCall() float64 {
	const calls = 2000
	var tries []float64
	for range 20 {
		start := time.Now()
		for range calls {
			unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0)
		}
		tries = append(tries, float64(time.Since(start).Nanoseconds())/calls)
	}
	return slices.Min(tries)
}
