package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/nohop/memcache/internal/netlab"
)

// lab makes network namespaces. Package netlab wants a test to report to and to clean up after; lab takes its place.
type lab struct {
	testing.TB // nil: netlab uses no methods but those below
	cleanups   []func()
	failure    error
}

// labMissing says why there can be no namespaces, "" if there can.
func labMissing() string {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		return "network namespaces need Linux and root"
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return "network namespaces need iproute2"
	}
	return ""
}

// start makes a host with a memcached.
func (l *lab) start() (host *netlab.Host, err error) {
	err = l.try(func() { host = netlab.Start(l) })
	return host, err
}

// try runs what may call Fatal, which ends the goroutine it is called on.
func (l *lab) try(do func()) error {
	l.failure = nil
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		do()
	}()
	<-ended
	return l.failure
}

// close takes everything down.
func (l *lab) close() error {
	return l.try(func() {
		for i := len(l.cleanups) - 1; i >= 0; i-- {
			l.cleanups[i]()
		}
		l.cleanups = nil
	})
}

func (l *lab) Helper()           {}
func (l *lab) Name() string      { return "nemesis" }
func (l *lab) Cleanup(do func()) { l.cleanups = append(l.cleanups, do) }

func (l *lab) Fatal(args ...any) {
	l.failure = fmt.Errorf("network namespace: %s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (l *lab) Fatalf(format string, args ...any) { l.Fatal(fmt.Sprintf(format, args...)) }

func (l *lab) Skip(args ...any) { l.Fatal(args...) }
