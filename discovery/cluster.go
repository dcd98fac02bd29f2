package discovery

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// The reply to both questions, as ElastiCache documents it ("Adding Auto Discovery to your client library"):
//
//	CONFIG cluster 0 <bytes>\r\n             or: VALUE AmazonElastiCache:cluster 0 <bytes>\r\n
//	<number of the configuration>\n
//	<host>|<ip>|<port> <host>|<ip>|<port> …\n
//	\r\n
//	END\r\n
//
// It is read by lines up to END and not by <bytes>: in the documentation's own example that number is not the length
// of what follows.

const (
	maxReplyBytes = 1 << 20
	maxMembers    = 16384
)

// member is one entry of the reply.
type member struct {
	host, ip string // one of them may be empty
	port     uint16
}

func (m member) node(keepHost bool) Node {
	host, ip := m.host, m.ip
	setDefault(&host, ip)
	setDefault(&ip, host)
	n := Node{Name: joinHostPort(host, m.port), Addr: joinHostPort(ip, m.port)}
	if keepHost {
		n.Addr = n.Name
	}
	return n
}

// askCluster asks in the new way and, if the node does not know it, in the old.
func askCluster(conn io.ReadWriter) ([]member, error) {
	r := bufio.NewReader(io.LimitReader(conn, maxReplyBytes))
	members, known, err := exchange(conn, r, "config get cluster\r\n")
	if err != nil || known {
		return members, err
	}
	members, known, err = exchange(conn, r, "get AmazonElastiCache:cluster\r\n")
	if err == nil && !known {
		return nil, fmt.Errorf("%w: the node knows of none", ErrBadReply)
	}
	return members, err
}

// exchange reports known = false if the node does not know the command or the key.
func exchange(w io.Writer, r *bufio.Reader, command string) (members []member, known bool, err error) {
	if _, err := io.WriteString(w, command); err != nil {
		return nil, false, err
	}
	head, err := readLine(r)
	if err != nil {
		return nil, false, err
	}
	if head == "ERROR" || head == "END" {
		return nil, false, nil
	}
	if !isHead(head) {
		return nil, false, fmt.Errorf("%w: %s", ErrBadReply, quote(head))
	}
	members, err = readCluster(r)
	return members, true, err
}

func isHead(line string) bool {
	fields := strings.Split(line, " ")
	if len(fields) != 4 {
		return false
	}
	_, badFlags := strconv.ParseUint(fields[2], 10, 32)
	_, badLength := strconv.ParseUint(fields[3], 10, 32)
	name := fields[0] + " " + fields[1]
	return (name == "CONFIG cluster" || name == "VALUE AmazonElastiCache:cluster") && badFlags == nil && badLength == nil
}

// readCluster reads what follows the head, to END.
func readCluster(r *bufio.Reader) ([]member, error) {
	number, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if _, err := strconv.ParseUint(number, 10, 64); err != nil {
		return nil, fmt.Errorf("%w: %s is not its number", ErrBadReply, quote(number))
	}
	list, err := readLine(r)
	if err != nil {
		return nil, err
	}
	members, err := parseMembers(list)
	if err != nil {
		return nil, err
	}
	if err := readEnd(r); err != nil {
		return nil, err
	}
	return members, nil
}

// readEnd reads the empty line and END. A node with an old engine stores what it was told, which may end without a newline
// of its own, so the empty line may be missing.
func readEnd(r *bufio.Reader) error {
	line, err := readLine(r)
	if err == nil && line == "" {
		line, err = readLine(r)
	}
	if err != nil {
		return err
	}
	if line != "END" {
		return fmt.Errorf("%w: %s in place of END", ErrBadReply, quote(line))
	}
	return nil
}

func parseMembers(list string) ([]member, error) {
	fields := strings.Fields(list)
	if len(fields) > maxMembers {
		return nil, ErrTooManyNodes
	}
	members := make([]member, len(fields))
	for i, field := range fields {
		m, ok := parseMember(field)
		if !ok {
			return nil, fmt.Errorf("%w: %s is not host|ip|port", ErrBadReply, quote(field))
		}
		members[i] = m
	}
	return members, nil
}

func parseMember(field string) (member, bool) {
	parts := strings.Split(field, "|")
	if len(parts) != 3 {
		return member{}, false
	}
	port, err := strconv.ParseUint(parts[2], 10, 16)
	if err != nil || port == 0 {
		return member{}, false
	}
	m := member{parts[0], parts[1], uint16(port)}
	return m, m.host+m.ip != "" && (m.host == "" || isHost(m.host)) && (m.ip == "" || isHost(m.ip))
}

// isHost accepts a name too: a cluster behind a proxy has been seen to give one in place of the address.
func isHost(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil || isHostName(s)
}

// readLine returns the next line without its end, which is "\n" or "\r\n". The end of the input, or of what is read at
// most, is io.ErrUnexpectedEOF.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err == nil {
		return strings.TrimSuffix(line[:len(line)-1], "\r"), nil
	}
	return "", unexpectedEnd(err)
}
