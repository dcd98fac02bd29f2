package realnode

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that the kernel gives to outgoing connections (32768 and up on Linux), for two
// reasons: no such connection can take the port of a node that is down for a moment, and a dial to a dead port cannot
// connect to itself, which TCP allows when both ends draw the same number.
const (
	firstPort       = 20000
	lastPort        = 32000
	reserveAttempts = 200
)

// reservation keeps a port number for one node, also while the node is down and nothing listens there.
//
// It is a UDP socket of the same number: exclusive among all processes of the machine, no obstacle to memcached's TCP
// socket, and gone with the process that holds it.
type reservation struct {
	number int
	socket net.PacketConn
}

// reservePort reserves a random port that nobody else has reserved and nothing listens on now. Something other than
// this package may still take it before memcached does; the caller then tries another.
func reservePort() (*reservation, error) {
	for range reserveAttempts {
		number := firstPort + rand.IntN(lastPort-firstPort)
		r := &reservation{number: number}
		socket, err := net.ListenPacket("udp", r.addr())
		if err != nil {
			continue
		}
		if portIsFree(r.addr()) {
			r.socket = socket
			return r, nil
		}
		socket.Close()
	}
	return nil, errors.New("realnode: no free port found")
}

func portIsFree(addr string) bool {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

func (r *reservation) addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.number))
}

func (r *reservation) release() {
	r.socket.Close()
}
