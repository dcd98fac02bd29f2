package netlab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Host is a namespace with one memcached.
type Host struct {
	Addr string // of the memcached

	t                  testing.TB
	namespace          string
	near, far          string // the two ends of the cable
	nearAddr, peerAddr string
}

// subnet numbers the hosts of this process.
var subnet atomic.Uint32

// Start makes a host and returns when its memcached answers. The test's cleanup takes it all down.
func Start(t testing.TB) *Host {
	t.Helper()
	require(t)
	id := subnet.Add(1)
	h := &Host{
		t:         t,
		namespace: fmt.Sprintf("nohop%d-%d", os.Getpid(), id),
		near:      fmt.Sprintf("nh%dn%d", os.Getpid()%100000, id),
		far:       fmt.Sprintf("nh%df%d", os.Getpid()%100000, id),
	}
	h.nearAddr, h.peerAddr = addrsOf(os.Getpid(), int(id))
	h.Addr = h.peerAddr + ":11211"
	h.wire()
	h.serve()
	return h
}

// addrsOf returns the two addresses of a host's network, which has no others: processes and their hosts have networks of their own.
func addrsOf(pid, id int) (near, peer string) {
	block := fmt.Sprintf("10.%d.%d", 200+pid%50, pid/50%250)
	first := id % 64 * 4
	return fmt.Sprintf("%s.%d", block, first+1), fmt.Sprintf("%s.%d", block, first+2)
}

// require skips or fails the test where namespaces cannot be made.
func require(t testing.TB) {
	t.Helper()
	missing := ""
	for _, program := range []string{"ip", "memcached"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = program + " is not installed"
		}
	}
	if os.Getuid() != 0 {
		missing = "network namespaces need root"
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal("netlab: " + missing)
	default:
		fmt.Fprintln(os.Stderr, "SKIPPED "+t.Name()+": "+missing)
		t.Skip("netlab: " + missing)
	}
}

// wire makes the namespace and the cable.
func (h *Host) wire() {
	h.ip("netns add " + h.namespace)
	h.t.Cleanup(func() { h.ip("netns del " + h.namespace) })
	h.ip("link add " + h.near + " type veth peer name " + h.far)
	h.t.Cleanup(func() { h.ip("link del " + h.near) }) // open connections may keep the namespace for a while
	h.ip("link set " + h.far + " netns " + h.namespace)
	h.ip("addr add " + h.nearAddr + "/30 dev " + h.near)
	h.ip("link set " + h.near + " up")
	h.ip("-n " + h.namespace + " addr add " + h.peerAddr + "/30 dev " + h.far)
	h.ip("-n " + h.namespace + " link set " + h.far + " up")
}

// serve starts the memcached; the test's cleanup ends it by its process.
func (h *Host) serve() {
	cmd := exec.Command("ip", "netns", "exec", h.namespace, "memcached", "-u", "root", "-U", "0", "-t", "1", "-l", h.peerAddr)
	if err := cmd.Start(); err != nil {
		h.t.Fatal("netlab: ", err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // the only error is that it has ended already
		_ = cmd.Wait()         // killed
	})
	if err := h.awaitReady(time.Now().Add(10 * time.Second)); err != nil {
		h.t.Fatal("netlab: memcached does not listen: ", err)
	}
}

// awaitReady dials until the process listens: there is nothing else to wait for.
func (h *Host) awaitReady(deadline time.Time) error {
	for {
		conn, err := net.DialTimeout("tcp", h.Addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Drop makes all packets to and from the host vanish, from now on until Heal. Both directions: a peer that only cannot be
// heard still keeps the connection alive with probes of its own.
func (h *Host) Drop() {
	h.ip("neigh replace " + h.peerAddr + nobody + h.near)
	h.ip("-n " + h.namespace + " neigh replace " + h.nearAddr + nobody + h.far)
}

// nobody is a hardware address that no interface has.
const nobody = " lladdr 02:00:00:00:00:99 nud permanent dev "

// Heal undoes Drop.
func (h *Host) Heal() {
	h.ip("neigh del " + h.peerAddr + " dev " + h.near)
	h.ip("-n " + h.namespace + " neigh del " + h.nearAddr + " dev " + h.far)
}

// Off cuts the host's end of the cable, as a power cut does.
func (h *Host) Off() { h.ip("-n " + h.namespace + " link set " + h.far + " down") }

// On undoes Off.
func (h *Host) On() { h.ip("-n " + h.namespace + " link set " + h.far + " up") }

func (h *Host) ip(args string) {
	h.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		h.t.Fatalf("netlab: ip %s: %v: %s", args, err, out)
	}
}
