package fetchers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Options of a Watcher. The zero value is the default of everything.
type Options struct {
	// Dial opens the connection: network is "tcp", or "unix" for a node that is a path. For nodes with TLS it is the
	// DialContext of a tls.Dialer. Default: net.Dialer, whose keepalive finds a node that has vanished.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DialTimeout is for dialing and for the answer to "watch". Default 5 s.
	DialTimeout time.Duration
	// MaxBackoff is the longest pause between attempts to connect; the first is 100 ms, each is twice the one before, and all
	// are shortened at random by up to a half. Default 5 s.
	MaxBackoff time.Duration
	// Ours reports whether the client of a connection, by its address as the node sees it, is one whose ops are not to be
	// counted here, because the detector gets them from the client itself. It is called once for each connection, at its first
	// op. While lines are skipped a connection can be mistaken for another, until it is closed. Default: no client is.
	Ours func(client netip.AddrPort) bool
	// Username and Password log in with memcached's text authentication ("-Y"), if there is a Username.
	Username, Password string
}

var (
	// ErrBadOptions is matched by the errors of New.
	ErrBadOptions = errors.New("fetchers: bad options")
	// ErrRefused is matched by Status.Err if the node answered "watch" with anything but OK; the answer is in its text.
	ErrRefused = errors.New("fetchers: the node refuses to be watched")
	// ErrAuth is matched by Status.Err if the node did not take user name and password.
	ErrAuth = errors.New("fetchers: the node refuses user name or password")
)

const firstBackoff = 100 * time.Millisecond

func (o Options) withDefaults() (Options, error) {
	if o.DialTimeout < 0 || o.MaxBackoff < 0 {
		return o, fmt.Errorf("%w: a time is negative", ErrBadOptions)
	}
	if !isWord(o.Username) || !isLine(o.Password) || (o.Username == "") != (o.Password == "") {
		return o, fmt.Errorf("%w: no user name, no password, or one with bytes that cannot be sent", ErrBadOptions)
	}
	o.DialTimeout = cmp.Or(o.DialTimeout, 5*time.Second)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 5*time.Second)
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o, nil
}

// networkOf is that of a node's address: one with a slash is a path.
func networkOf(node string) string {
	if strings.Contains(node, "/") {
		return "unix"
	}
	return "tcp"
}

// isLine reports whether s can be in the line of a user that memcached has in its file.
func isLine(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") && len(s) <= 255 }

func isWord(s string) bool { return isLine(s) && !strings.ContainsAny(s, " :") }
