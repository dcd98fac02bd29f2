package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// mode is how the program shares the machine with its servers.
type mode int

const (
	modeFree mode = iota
	modeOneCPU
)

func (m mode) String() string {
	if m == modeOneCPU {
		return "one CPU"
	}
	return "free"
}

// pinToOneCPU returns only if every thread of the process runs on one and the same CPU and GOMAXPROCS is 1. Otherwise
// it narrows the affinity of its own thread and executes the program again: the new image starts with that thread
// alone, and all later threads and child processes inherit its affinity (sched_setaffinity(2)).
func pinToOneCPU() error {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	if allowed.Count() == 1 && os.Getenv("GOMAXPROCS") == "1" {
		return nil
	}
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(lastCPU(&allowed))
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), "GOMAXPROCS=1"))
}

// lastCPU takes the last one because interrupts are most often handled by the first.
func lastCPU(set *unix.CPUSet) int {
	last := 0
	for cpu := range 64 * len(set) { // 64 CPUs to a word; a 32-bit machine has fewer
		if set.IsSet(cpu) {
			last = cpu
		}
	}
	return last
}
