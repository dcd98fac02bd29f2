package realnode

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// dialTimeout bounds a connect with its handshake, and one exchange of stats.
const dialTimeout = 2 * time.Second

// Dial opens a connection on which the node takes commands: TLS and authentication, if the node has them, are done.
// The connection has no deadline.
func (n *Node) Dial() (net.Conn, error) {
	conn, err := net.DialTimeout(n.network, n.Addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	if conn, err = n.handshake(conn); err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// handshake closes conn if it fails.
func (n *Node) handshake(conn net.Conn) (net.Conn, error) {
	err := conn.SetDeadline(time.Now().Add(dialTimeout))
	if n.TLS != nil {
		conn = tls.Client(conn, n.TLS)
	}
	if err == nil && n.login != (credentials{}) {
		err = n.login.send(conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// credentials are one line of the file that memcached reads with -Y.
type credentials struct {
	user, password string
}

// send gives the credentials as the value of a set, with any key (memcached protocol.txt, "Authentication").
func (c credentials) send(conn net.Conn) error {
	value := c.user + " " + c.password
	if _, err := fmt.Fprintf(conn, "set auth 0 0 %d\r\n%s\r\n", len(value), value); err != nil {
		return err
	}
	reply := make([]byte, len("STORED\r\n"))
	if _, err := io.ReadFull(conn, reply); err != nil {
		return err
	}
	if string(reply) != "STORED\r\n" {
		return fmt.Errorf("authentication refused: %q", reply)
	}
	return nil
}

// Stats returns the answer to "stats args..." (for example "settings" or "conns"), asked on a connection of its own,
// which the node's counters of connections and commands include. It ends the test if the node does not answer.
func (n *Node) Stats(t testing.TB, args ...string) map[string]string {
	t.Helper()
	stats, err := n.fetchStats(args...)
	if err != nil {
		t.Fatalf("realnode: stats of %s: %v", n.Addr, err)
	}
	return stats
}

func (n *Node) fetchStats(args ...string) (map[string]string, error) {
	conn, err := n.Dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	command := strings.Join(append([]string{"stats"}, args...), " ")
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return nil, err
	}
	return readStats(bufio.NewScanner(conn))
}

// readStats reads "STAT name value" lines up to "END".
func readStats(lines *bufio.Scanner) (map[string]string, error) {
	stats := make(map[string]string)
	for lines.Scan() {
		line := lines.Text()
		if line == "END" {
			return stats, nil
		}
		entry, ok := strings.CutPrefix(line, "STAT ")
		if !ok {
			return nil, fmt.Errorf("unexpected line %q", line)
		}
		name, value, _ := strings.Cut(entry, " ")
		stats[name] = value
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("connection closed before END")
}
