package memcache

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const defaultPort = "11211"

// dnsPrefix marks a name that stands for all its addresses.
const dnsPrefix = "dns+"

// normalize checks a server as WithServers takes it and returns it as it is known from then on: with its port, and in one
// spelling, so that equal servers have equal names.
func normalize(addr string) (string, error) {
	if isSocketPath(addr) {
		return addr, nil
	}
	name, isDNS := strings.CutPrefix(addr, dnsPrefix)
	host, port := splitPort(name)
	if ip, err := netip.ParseAddr(host); err == nil && (ip.Zone() == "" || isHostName(ip.Zone())) {
		host = ip.String()
	} else if !isHostName(host) || strings.HasPrefix(name, "[") {
		return "", badOption("server " + strconv.Quote(addr) + " is no address")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", badOption("server " + strconv.Quote(addr) + " has no valid port")
	}
	joined := net.JoinHostPort(host, strconv.FormatUint(number, 10))
	if isDNS {
		return dnsPrefix + joined, nil
	}
	return joined, nil
}

// isSocketPath reports whether addr is the path of a unix socket, and no URL.
func isSocketPath(addr string) bool {
	return strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "./") || strings.HasPrefix(addr, "../")
}

// splitPort splits "host:port" and "host", where host may be an IPv6 address, in brackets or not.
func splitPort(name string) (host, port string) {
	if host, port, err := net.SplitHostPort(name); err == nil {
		return host, port
	}
	if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
		return inner[:len(inner)-1], defaultPort
	}
	return name, defaultPort
}

// isHostName leaves to the resolver what a name may be, but for what no name of a host, or of a zone, can hold.
func isHostName(host string) bool {
	return host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("/:[]", r)
	})
}

// sameNode reports whether name, "host" or "host:port", means the node of that address.
func sameNode(name, addr string) bool {
	if name == addr {
		return true
	}
	host, _, err := net.SplitHostPort(addr)
	return err == nil && strings.Trim(name, "[]") == host
}
