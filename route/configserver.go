package route

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// configServers are the servers that a configuration uses, and their nodes.
type configServers struct {
	node    func(Server) (Route, error)
	handles map[Server]*handle
	list    []Server
}

func newConfigServers(node func(Server) (Route, error)) *configServers {
	return &configServers{node: node, handles: make(map[Server]*handle)}
}

// handle returns the handle of a server.
func (c *configServers) handle(s Server) (*handle, error) {
	if h := c.handles[s]; h != nil {
		return h, nil
	}
	node, err := c.node(s)
	if err == nil && node == nil {
		err = ErrNoPart
	}
	if err != nil {
		return nil, err
	}
	h := &handle{route: node, name: s.Addr, size: 1}
	c.handles[s] = h
	c.list = append(c.list, s)
	return h, nil
}

// serverDefaults are what a pool says about all of its servers.
type serverDefaults struct {
	server Server // all but Addr
	port   int64  // in the place of each server's own; 0: none
}

// server reads mcrouter's access point: "host:port", "[v6]:port" or "unix:/path", and behind it, each as far as wanted,
// ":ascii", ":plain" or ":ssl", ":notcompressed".
func (o *configOptions) server(v *mcjson.Value, d serverDefaults) Server {
	s := d.server
	host, rest, isSocket := cutHost(v.Str)
	fields := strings.Split(rest, ":") // the first is empty: what stands before the colon
	if host == "" || fields[0] != "" || len(fields) > 5 {
		o.fail(v, "server %q is not of the form host:port", v.Str)
		return s
	}
	fields = fields[1:]
	if isSocket {
		s.Addr = host
		if !strings.Contains(host, "/") {
			o.fail(v, "server %q: the path of a socket has a slash", v.Str)
		}
	} else {
		var port string
		if len(fields) > 0 {
			port, fields = fields[0], fields[1:]
		}
		s.Addr = o.address(v, host, port, d.port)
	}
	o.accessOptions(v, fields)
	return s
}

// cutHost splits what an access point begins with: the host, or the path of a socket.
func cutHost(point string) (host, rest string, isSocket bool) {
	if v6, isV6 := strings.CutPrefix(point, "["); isV6 {
		host, rest, closed := strings.Cut(v6, "]")
		if !closed {
			return "", "", false
		}
		return host, rest, false
	}
	point, isSocket = strings.CutPrefix(point, "unix:")
	end := strings.IndexByte(point, ':')
	if end < 0 {
		end = len(point)
	}
	return point[:end], point[end:], isSocket
}

// address returns host:port, the same for the same address.
func (o *configOptions) address(v *mcjson.Value, host, port string, override int64) string {
	if override != 0 {
		port = strconv.FormatInt(override, 10)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		o.fail(v, "server %q has no port from 1 to 65535", v.Str)
		return ""
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	if strings.ContainsAny(host, " \t\r\n\x00/") {
		o.fail(v, "server %q has no host name", v.Str)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// accessOptions reads what stands behind the port: protocol, security, compression.
func (o *configOptions) accessOptions(v *mcjson.Value, fields []string) {
	if len(fields) > 0 && fields[0] != "" {
		o.protocol(v, fields[0])
	}
	if len(fields) > 1 && fields[1] != "" {
		o.security(v, fields[1])
	}
	if len(fields) > 2 && fields[2] != "" {
		switch fields[2] {
		case "compressed":
			o.warn(v, "server %q: compressed has no effect here: memcached does not know mcrouter's compression", v.Str)
		case "notcompressed":
		default:
			o.fail(v, "server %q: %q is neither compressed nor notcompressed", v.Str, fields[2])
		}
	}
}

// protocol reads the name of a protocol. All but memcached's own are mcrouter's between its own processes.
func (o *configOptions) protocol(v *mcjson.Value, name string) {
	switch strings.ToLower(name) {
	case "ascii":
	case "caret", "thrift", "xdp":
		o.warn(v, "protocol %q is not spoken here: memcached's own is", name)
	default:
		o.fail(v, "unknown protocol %q", name)
	}
}

// security reads how connections are secured.
func (o *configOptions) security(v *mcjson.Value, name string) {
	switch name {
	case "plain":
	case "ssl", "ktls12", "fizz", "tls_to_plain":
		o.warn(v, "security %q has no effect here: %s", name, tlsIsTheClients)
	default:
		o.fail(v, "unknown security %q: want plain or ssl", name)
	}
}

const tlsIsTheClients = "TLS is an option of the client, for all nodes"
