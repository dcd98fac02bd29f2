package pool

import (
	"bytes"
	"errors"
	"fmt"
	"net"

	"github.com/nohop/memcache/protocol"
)

// ErrAuth means that the node refused the user name and password, or wants some.
var ErrAuth = errors.New("memcache: authentication failed")

// handshake authenticates, if the configuration says so, and asks for the version, which decides the dialect. nc has a
// deadline.
func (c *Config) handshake(nc net.Conn) (protocol.Dialect, error) {
	if c.Username != "" {
		if err := c.authenticate(nc); err != nil {
			return 0, err
		}
	}
	reply, err := ask(nc, &protocol.Request{Command: protocol.Version})
	if err != nil {
		return 0, handshakeError(err)
	}
	if c.Dialect != protocol.Unknown {
		return c.Dialect, nil
	}
	return protocol.DialectOf(reply.Text), nil
}

func (c *Config) authenticate(nc net.Conn) error {
	login := &protocol.Request{Command: protocol.Auth, Value: []byte(c.Username + " " + c.Password)}
	if err := protocol.Check(login); err != nil {
		return err
	}
	if _, err := ask(nc, login); err != nil {
		return handshakeError(err)
	}
	return nil
}

// handshakeError makes a refusal by the server recognisable: all that can be refused here is the login.
func handshakeError(err error) error {
	var refused *protocol.ServerError
	if errors.As(err, &refused) && refused.Kind == protocol.KindClientError {
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return err
}

// ask sends one request and reads its one-line reply. More than that line is an error.
func ask(nc net.Conn, r *protocol.Request) (reply protocol.Reply, err error) {
	if _, err := nc.Write(protocol.AppendRequest(nil, r, protocol.FormText, 0)); err != nil {
		return reply, err
	}
	line, err := readLine(nc)
	if err != nil {
		return reply, err
	}
	return reply, reply.Decode(line, r.Command, protocol.FormText)
}

func readLine(nc net.Conn) ([]byte, error) {
	buf := make([]byte, 0, maxLineSize)
	for len(buf) < cap(buf) {
		n, err := nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if line, rest, found := bytes.Cut(buf, []byte("\r\n")); found {
			if len(rest) > 0 {
				return nil, errStray
			}
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errLine
}
