package memcache

import (
	"cmp"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
)

// hostVariable names the own host where a memcached runs on each: on Kubernetes, filled from status.hostIP.
const hostVariable = "HOST_IP"

// localConfig says who may be local, in the order in which it is decided.
type localConfig struct {
	named   []nickname // WithLocal and WithLocalEnv; the first that is there decides
	given   bool       // one of those options was: nothing is guessed
	hostIP  string     // of hostVariable
	nearest bool       // WithNearest

	interfaces func() ([]net.Addr, error) // this host's addresses
}

// nickname is what somebody calls a node or a zone, and who.
type nickname struct{ name, by string }

func newLocalConfig() localConfig {
	return localConfig{hostIP: os.Getenv(hostVariable), interfaces: net.InterfaceAddrs}
}

// WithLocal names the own node (its name, its address, or the host of one of them) or the own zone: its replica of a key is
// read first. It may be given several times, also as WithLocalEnv: the first that is there decides. A name that matches
// no node yet is no error: the node may join later. Where a host has several nodes, the first by name is meant.
//
// Without it, who is local is decided by identity: the node at the address in the environment variable HOST_IP, a node on a
// unix socket, a node at an address of this host; each if there is exactly one. If there are several, and all those on this
// host are in one zone, that zone is local. Explanation.LocalBy tells what has decided. The empty name says that no node
// is local, and that nothing is to be guessed.
func WithLocal(name string) Option {
	return func(c *config) error {
		c.local.add(nickname{name, "WithLocal"})
		return nil
	}
}

// WithLocalEnv is WithLocal with the value of an environment variable, read now. A variable that is not set is an error:
// without it every read would silently cross the network.
func WithLocalEnv(variable string) Option {
	return func(c *config) error {
		name := os.Getenv(variable)
		if name == "" {
			return badOption("environment variable " + variable + " is not set")
		}
		c.local.add(nickname{name, "environment variable " + variable})
		return nil
	}
}

// WithNearest has the node with the lowest round trip be local, and its zone, where nothing else decides: see WithLocal, beside
// which it stands in while what is named there is not there. All nodes are asked for an answer three times every
// 10 s, which connects to all of them. Another node becomes the nearest when it has taken less than 3/4 of the time, and at
// least 50 µs less, three times in a row, or at once if the nearest does not answer.
func WithNearest() Option {
	return func(c *config) error {
		c.local.nearest = true
		return nil
	}
}

func (l *localConfig) add(n nickname) {
	l.given = true
	if n.name != "" {
		l.named = append(l.named, n)
	}
}

// locality is which node and which zone are local, "" for none, and what has decided it.
type locality struct{ node, zone, by string }

// name returns what is local in one word.
func (l locality) name() string { return cmp.Or(l.node, l.zone) }

// The distances of a node: it is local, or its zone is, or neither.
const (
	own = iota
	inZone
	far
)

func (l locality) distance(m member) int {
	switch {
	case l.node != "" && m.Name == l.node:
		return own
	case l.zone != "" && m.Zone == l.zone:
		return inZone
	}
	return far
}

// decide returns what is local among members; nearest is what the measurements say.
func (l *localConfig) decide(members []member, nearest choice) locality {
	for _, n := range l.named {
		if found := n.find(members); found.by != "" {
			return found
		}
	}
	if !l.given {
		if found := l.guess(members); found.by != "" {
			return found
		}
	}
	return nearest.find(members)
}

// find returns the node of that name, or else the zone.
func (n nickname) find(members []member) locality {
	for _, m := range members {
		if isCalled(m, n.name) {
			return locality{m.Name, m.Zone, n.by}
		}
	}
	if slices.ContainsFunc(members, func(m member) bool { return m.Zone == n.name }) {
		return locality{zone: n.name, by: n.by}
	}
	return locality{}
}

// guess finds the one node that is on this host, or else the zone of all that are. On one machine with a whole cluster, as
// in tests, several nodes are as local as each other, and none is chosen.
func (l *localConfig) guess(members []member) locality {
	var here []member
	for _, way := range []struct {
		by      string
		matches func(member) bool
	}{
		{"environment variable " + hostVariable, func(m member) bool { return l.hostIP != "" && isCalled(m, l.hostIP) }},
		{"unix socket", func(m member) bool { return hostOf(m.Addr) == "" }},
		{"address of this host", l.atOwnAddress()},
	} {
		found := matching(members, way.matches)
		if len(found) == 1 {
			return locality{found[0].Name, found[0].Zone, way.by}
		}
		here = append(here, found...)
	}
	if zone := commonZone(here); zone != "" {
		return locality{zone: zone, by: "zone of the nodes on this host"}
	}
	return locality{}
}

func matching(members []member, matches func(member) bool) (found []member) {
	for _, m := range members {
		if matches(m) {
			found = append(found, m)
		}
	}
	return found
}

// commonZone returns the zone that all members are in, "" if there is none.
func commonZone(members []member) string {
	if len(members) == 0 || slices.ContainsFunc(members, func(m member) bool { return m.Zone != members[0].Zone }) {
		return ""
	}
	return members[0].Zone
}

// atOwnAddress returns a test for nodes at an address of this host's interfaces, which are asked for when the first node is
// tested. If the system does not tell them, no node passes.
func (l *localConfig) atOwnAddress() func(member) bool {
	ours := sync.OnceValue(func() map[string]bool {
		addrs, _ := l.interfaces()
		set := map[string]bool{}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				set[prefix.Addr().Unmap().String()] = true
			}
		}
		return set
	})
	return func(m member) bool { return ours()[hostOf(m.Addr)] }
}

// isCalled reports whether name means the node: its name, its address, or the host of one of them.
func isCalled(m member, name string) bool {
	if name == m.Name || name == m.Addr || fullName(name) == m.Addr {
		return true
	}
	host := strings.Trim(name, "[]")
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.Unmap().String()
	}
	return host != "" && (host == hostOf(m.Name) || host == hostOf(m.Addr))
}

// hostOf returns the host of "host:port", "" of anything else, as the path of a unix socket is.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || strings.Contains(host, "/") {
		return ""
	}
	return host
}
