package placement

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
)

// defaultPort is memcached's port, which ketama leaves out of a server's name.
const defaultPort = 11211

// Server is a node as the rings know it: they hash its name, so it must be written as in the other system's list.
// "localhost" and "127.0.0.1" are different servers.
type Server struct {
	// Host is a host name, an IP address (IPv6 without brackets) or the path of a unix socket.
	Host string

	// Port is 0 to 65535; 0 means 11211, or none for a unix socket.
	Port int

	// Weight is the server's share in relation to the others'; 0 means 1.
	Weight int

	// Name is hashed in place of Host and Port if it is set: twemproxy's node name.
	Name string
}

// ParseServer reads "host", "host:port", "[ipv6]:port" or "/path/of/socket", and leaves Weight and Name zero. The error
// wraps ErrServer.
func ParseServer(address string) (Server, error) {
	if strings.HasPrefix(address, "/") {
		return Server{Host: address}, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil && !strings.ContainsAny(address, "[]:") && address != "" {
		return Server{Host: address}, nil
	}
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		return Server{}, fmt.Errorf("placement: %w: %q, want host:port", ErrServer, address)
	}
	return Server{Host: host, Port: int(number)}, nil
}

// port is the number to hash.
func (s Server) port() int {
	if s.Port == 0 && !strings.HasPrefix(s.Host, "/") {
		return defaultPort
	}
	return s.Port
}

func (s Server) weight() int {
	if s.Weight == 0 {
		return 1
	}
	return s.Weight
}

// HostPort is "host:port" with the default port filled in, without brackets around an IPv6 address: the form that
// rings hash.
func (s Server) HostPort() string {
	return s.Host + ":" + strconv.Itoa(s.port())
}

// KetamaName is Name, or Host if the port is 11211, or HostPort: the name under which libmemcached and twemproxy hash
// the server.
func (s Server) KetamaName() string {
	switch {
	case s.Name != "":
		return s.Name
	case s.port() == defaultPort:
		return s.Host
	}
	return s.HostPort()
}

// checkServers returns an error unless the list has 1 to maxServers servers, all of them valid, of different names.
func checkServers(function string, servers []Server) error {
	if err := checkSize(function, len(servers), maxServers); err != nil {
		return err
	}
	seen := make(map[string]int, len(servers))
	for i, s := range servers {
		if problem := s.problem(); problem != nil {
			return fmt.Errorf("placement: %s: server %d: %w", function, i, problem)
		}
		if first, ok := seen[s.KetamaName()]; ok {
			return fmt.Errorf("placement: %s: %w: %q is server %d and %d", function, ErrServer, s.KetamaName(), first, i)
		}
		seen[s.KetamaName()] = i
	}
	return nil
}

func (s Server) problem() error {
	switch {
	case s.Host == "" && s.Name == "":
		return fmt.Errorf("%w: no host and no name", ErrServer)
	case s.Port < 0 || s.Port > math.MaxUint16:
		return fmt.Errorf("%w: port %d", ErrServer, s.Port)
	case s.Weight < 0 || s.Weight > math.MaxInt32:
		return fmt.Errorf("%w: %d, want 0 to 2^31-1", ErrWeight, s.Weight)
	}
	return nil
}
