package discovery

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const defaultPort = 11211

// canonical returns an address in the one spelling that all sources use, so that equal nodes have equal names.
func canonical(addr string) (string, bool) {
	addr = withoutScheme(addr)
	if isSocketPath(addr) {
		return addr, !strings.ContainsRune(addr, 0)
	}
	host, port, ok := splitHostPort(addr)
	return joinHostPort(host, port), ok
}

// withoutScheme returns the path of "unix:/path" and "unix:///path", as others write it, and all else as it is.
func withoutScheme(addr string) string {
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return addr
	}
	if path = strings.TrimPrefix(path, "//"); !isSocketPath(path) {
		return addr
	}
	return path
}

// isSocketPath reports whether addr is the path of a unix socket.
func isSocketPath(addr string) bool {
	return strings.HasPrefix(addr, "/") || strings.HasPrefix(addr, "./") || strings.HasPrefix(addr, "../")
}

// splitHostPort splits "host:port", "host" and the same with an IPv6 address, which needs brackets before a port.
func splitHostPort(addr string) (host string, port uint16, ok bool) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		host, text = addr, strconv.Itoa(defaultPort)
		if inner, found := strings.CutPrefix(addr, "["); found && strings.HasSuffix(inner, "]") {
			host = inner[:len(inner)-1]
		}
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, false
	}
	bracketed := strings.HasPrefix(addr, "[")
	if ip, err := netip.ParseAddr(host); err == nil {
		zoneOK := ip.Zone() == "" || isHostName(ip.Zone())
		return ip.Unmap().String(), uint16(number), zoneOK && (ip.Is6() || !bracketed)
	}
	return host, uint16(number), isHostName(host) && !bracketed
}

func joinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// isHostName refuses what no name of a host can hold; the rest is left to the resolver.
func isHostName(host string) bool {
	return host != "" && len(host) <= maxNameBytes && !strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\:[]+,;"'|=#@`, r)
	})
}
