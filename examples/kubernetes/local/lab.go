package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is some hosts on a bridge, and the list of nodes that stands for the headless service.
type lab struct {
	hosts  []*host
	dir    string
	bridge string
	undo   []func() error // in reverse
}

// host is a namespace with a memcached and an application, as a Kubernetes node has them.
type host struct {
	name      string
	namespace string
	ip        string
	memcached *exec.Cmd
	app       *exec.Cmd
}

// report is what the application says of its work.
type report struct {
	Local                                   string
	Nodes, Found, FromLocal, Missed, Failed int
}

func newLab(ctx context.Context, hosts int) (l *lab, err error) {
	for _, program := range []string{"ip", "memcached", "go"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	if os.Getuid() != 0 {
		return nil, errors.New("network namespaces need root")
	}
	l = &lab{bridge: fmt.Sprintf("mcex%d", os.Getpid()%100000)}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dir, err = os.MkdirTemp("", "memcache-kubernetes"); err != nil {
		return l, err
	}
	l.undo = append(l.undo, func() error { return os.RemoveAll(l.dir) })
	program := filepath.Join(l.dir, "app")
	if out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "github.com/nohop/memcache/examples/kubernetes/app").CombinedOutput(); err != nil {
		return l, fmt.Errorf("%w: %s", err, out)
	}
	if err := l.ip("link add " + l.bridge + " type bridge"); err != nil {
		return l, err
	}
	l.undo = append(l.undo, func() error { return l.ip("link del " + l.bridge) })
	if err := errors.Join(l.ip("addr add "+subnet+".254/24 dev "+l.bridge), l.ip("link set "+l.bridge+" up")); err != nil {
		return l, err
	}
	for i := range hosts {
		if err := l.addHost(ctx, i+1); err != nil {
			return l, err
		}
	}
	if err := l.list(l.hosts...); err != nil {
		return l, err
	}
	for _, h := range l.hosts {
		if err := l.startApp(ctx, h, program); err != nil {
			return l, err
		}
	}
	return l, nil
}

// subnet is of this process: two rehearsals may run at a time.
var subnet = fmt.Sprintf("10.%d.%d", 150+os.Getpid()%50, os.Getpid()/50%250)

// addHost makes the namespace, joins it to the bridge and starts its memcached.
func (l *lab) addHost(ctx context.Context, i int) error {
	h := &host{name: fmt.Sprintf("node-%d", i), namespace: fmt.Sprintf("%s-%d", l.bridge, i), ip: fmt.Sprintf("%s.%d", subnet, i)}
	near, far := fmt.Sprintf("%sn%d", l.bridge, i), fmt.Sprintf("%sf%d", l.bridge, i)
	if err := l.ip("netns add " + h.namespace); err != nil {
		return err
	}
	l.undo = append(l.undo, func() error { return l.ip("netns del " + h.namespace) })
	for _, args := range []string{
		"link add " + near + " type veth peer name " + far, "link set " + near + " master " + l.bridge + " up",
		"link set " + far + " netns " + h.namespace,
		"-n " + h.namespace + " addr add " + h.ip + "/24 dev " + far, "-n " + h.namespace + " link set " + far + " up",
		"-n " + h.namespace + " link set lo up",
	} {
		if err := l.ip(args); err != nil {
			return err
		}
	}
	l.hosts = append(l.hosts, h)
	l.undo = append(l.undo, func() error { h.kill(); return nil })
	return h.serve(ctx)
}

func (l *lab) ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// list says which hosts are in the service.
func (l *lab) list(hosts ...*host) error {
	var text strings.Builder
	for _, h := range hosts {
		fmt.Fprintf(&text, "%s:11211\n", h.ip)
	}
	next := filepath.Join(l.dir, "next")
	if err := os.WriteFile(next, []byte(text.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(l.dir, "nodes")) // at once, as an atomic update of a mounted file is
}

// startApp runs the application in the host's namespace, with what a pod is given.
func (l *lab) startApp(ctx context.Context, h *host, program string) error {
	h.app = exec.Command("ip", "netns", "exec", h.namespace, program, "-listen", h.ip+":8080", "-servers", "file+"+filepath.Join(l.dir, "nodes"))
	h.app.Env = append(os.Environ(), "HOST_IP="+h.ip)
	if err := h.app.Start(); err != nil {
		return err
	}
	l.undo = append(l.undo, func() error { stop(h.app); return nil })
	return await(ctx, h.ip+":8080")
}

// serve starts the host's memcached, empty.
func (h *host) serve(ctx context.Context) error {
	h.memcached = exec.Command("ip", "netns", "exec", h.namespace, "memcached", "-u", "root", "-U", "0", "-t", "1", "-l", h.ip)
	if err := h.memcached.Start(); err != nil {
		return err
	}
	return await(ctx, h.ip+":11211")
}

func (h *host) kill() { stop(h.memcached) }

// stop kills a process that may have ended.
func stop(cmd *exec.Cmd) {
	if cmd != nil && cmd.Process != nil && cmd.ProcessState == nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// await dials until somebody listens.
func await(ctx context.Context, addr string) error {
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if pause(ctx) != nil {
			return err
		}
	}
}

// work has the host's application store and read keys.
func (h *host) work(ctx context.Context, stores, reads int) (r report, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s:8080/work?set=%d&get=%d", h.ip, stores, reads), nil)
	if err != nil {
		return r, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	return r, json.NewDecoder(response.Body).Decode(&r)
}

// close takes everything down.
func (l *lab) close() error {
	var errs []error
	for i := len(l.undo) - 1; i >= 0; i-- {
		errs = append(errs, l.undo[i]())
	}
	return errors.Join(errs...)
}
