package memcache

import (
	"hash/crc32"
	"net"
	"strings"
	"sync/atomic"
)

// ServerSelector says on which server a key lives. It must be safe for concurrent use.
type ServerSelector interface {
	// PickServer returns the address of the server that key lives on. It is called for each operation, with keys that
	// memcached allows. Equal networks and texts of an address mean the same server.
	PickServer(key string) (net.Addr, error)

	// Each calls f for each server and returns an error if f does. FlushAll, DeleteAll and Ping go by it; and a server
	// that was not picked for a while and that it leaves out loses its connection.
	Each(f func(net.Addr) error) error
}

// ServerList is a ServerSelector over a list: the CRC-32 (IEEE) of the key, modulo the length of the list, is the place of
// the key's server. The zero ServerList is empty.
type ServerList struct {
	addrs atomic.Pointer[[]net.Addr] // replaced as a whole
}

// SetServers replaces the list, also while clients use it. Each server is "host:port", or the path of a unix socket, which
// holds a slash. Names are resolved now; if one does not resolve, the list stays as it was. Most keys move to other
// servers if the list becomes longer or shorter, or its order changes.
func (ss *ServerList) SetServers(servers ...string) error {
	addrs := make([]net.Addr, len(servers))
	for i, server := range servers {
		addr, err := resolve(server)
		if err != nil {
			return err
		}
		addrs[i] = addressOf(addr)
	}
	ss.addrs.Store(&addrs)
	return nil
}

func resolve(server string) (net.Addr, error) {
	if strings.Contains(server, "/") {
		return net.ResolveUnixAddr("unix", server)
	}
	return net.ResolveTCPAddr("tcp", server)
}

// Each calls f for each server in the order of the list, up to the first error, which it returns.
func (ss *ServerList) Each(f func(net.Addr) error) error {
	for _, addr := range ss.list() {
		if err := f(addr); err != nil {
			return err
		}
	}
	return nil
}

// PickServer returns the address of the server that key lives on, ErrNoServers if the list is empty. Of a key longer than
// memcached allows, the first 256 bytes count.
func (ss *ServerList) PickServer(key string) (net.Addr, error) {
	addrs := ss.list()
	switch len(addrs) {
	case 0:
		return nil, ErrNoServers
	case 1:
		return addrs[0], nil
	}
	return addrs[checksum(key)%uint32(len(addrs))], nil
}

func (ss *ServerList) list() []net.Addr {
	if addrs := ss.addrs.Load(); addrs != nil {
		return *addrs
	}
	return nil
}

// checksum is crc32.ChecksumIEEE without its copy of the key on the heap.
func checksum(key string) uint32 {
	sum := ^uint32(0)
	for i := range min(len(key), 256) {
		sum = crc32.IEEETable[byte(sum)^key[i]] ^ sum>>8
	}
	return ^sum
}

// address is a net.Addr that can be compared.
type address struct{ network, text string }

func (a address) Network() string { return a.network }
func (a address) String() string  { return a.text }

// addressOf spares calling methods that may build their strings anew each time.
func addressOf(addr net.Addr) address {
	if a, ok := addr.(address); ok {
		return a
	}
	return address{addr.Network(), addr.String()}
}
