package memcache

import (
	"iter"
	"net"
	"strconv"
	"strings"
)

const defaultPort = "11211"

// dnsPrefix marks a name that stands for all its addresses.
const dnsPrefix = "dns+"

// normalize checks a server as WithServers takes it and returns it with its port.
func normalize(addr string) (string, error) {
	name, isDNS := strings.CutPrefix(addr, dnsPrefix)
	if strings.Contains(name, "/") && !isDNS {
		return addr, nil
	}
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		host, port = strings.Trim(name, "[]"), defaultPort
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", badOption("server " + strconv.Quote(addr) + " is no address")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, " \r\n\t/") {
		return "", badOption("server " + strconv.Quote(addr) + " is no address")
	}
	joined := net.JoinHostPort(host, port)
	if isDNS {
		return dnsPrefix + joined, nil
	}
	return joined, nil
}

// sameNode reports whether name, "host" or "host:port", means the node of that address.
func sameNode(name, addr string) bool {
	if name == addr {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	return err == nil && strings.Trim(name, "[]") == host
}

// normalizeRules writes the nodes of the rules as the servers are written.
func (c *config) normalizeRules(keys iter.Seq[string]) error {
	for key := range keys {
		for i, name := range c.rules[key] {
			server, err := normalize(name)
			if err != nil {
				return err
			}
			if !c.mayName(server) {
				return badOption("a rule names a node that is no server: " + name)
			}
			c.rules[key][i] = server
		}
	}
	return nil
}

// mayName reports whether server is one of the servers, or may become one because names are resolved.
func (c *config) mayName(server string) bool {
	for _, g := range c.groups {
		for _, s := range g.servers {
			if s == server || strings.HasPrefix(s, dnsPrefix) {
				return true
			}
		}
	}
	return false
}
