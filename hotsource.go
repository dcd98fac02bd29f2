package memcache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
)

// HotKeySource sees of the keys what the client does not do itself: what a node's other clients do (package hotkey/fetchers), or
// what an analyzer adds up (package hotkey/sflowrt).
type HotKeySource interface {
	// Name is the Origin of the keys that the source has seen, such as "fetchers": at most 32 letters.
	Name() string
	// Watch tells eye what it sees, and with SetStatus whether it sees, until ctx ends. It must return then. The client runs it
	// in a goroutine of its own.
	Watch(ctx context.Context, eye *hotkey.Eye)
}

// WithHotKeySource adds a source that sees operations of others. What it sees is judged by the same thresholds as the client's
// own traffic, is among TopKeys, MissedKeys and HotKeyEvents with the source's name as its Origin, and is relieved in the same
// way. If the source sees single operations, they count among all those of which a key has a share; if it knows only the rates
// of some keys, the shares of these are not known. There may be 8 sources, each with a name of its own.
//
// A source that fails is an event (HotKeySourceFailed), an age (Stats) and a note in HotKeyReport, and nothing else: what it
// has said stays. Close ends it.
//
// Let few processes of a fleet have a source, as each that watches a node costs it bandwidth, and WithSharedRules tell the
// others.
func WithHotKeySource(s HotKeySource) Option {
	return func(c *config) error {
		if s == nil {
			return badOption("no source of hot keys")
		}
		c.hotSources = append(c.hotSources, s)
		return nil
	}
}

var errSourceEnded = errors.New("the source has given up")

// startHotKeySources runs the sources until ctx ends.
func (c *Client) startHotKeySources(ctx context.Context) error {
	sources := c.cfg.hotSources
	if len(sources) == 0 {
		return nil
	}
	own := new(ownAddrs)
	c.cfg.node.Dial = own.dial(c.cfg.node.Dial)
	for _, s := range sources {
		eye, err := c.detector.NewEye(hotkey.EyeConfig{
			Name: s.Name(), Nodes: c.nodeAddrs, Ours: own.contains,
			OnStatus: func(err error) { c.sourceEvent(s.Name(), err) },
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBadOption, err)
		}
		c.wg.Go(func() {
			s.Watch(ctx, eye)
			if ctx.Err() == nil {
				eye.SetStatus(errSourceEnded)
			}
		})
	}
	return nil
}

func (c *Client) sourceEvent(name string, err error) {
	if err == nil {
		c.events.add(Event{Kind: HotKeySourceBack, Source: name})
		return
	}
	c.events.add(Event{Kind: HotKeySourceFailed, Source: name, Err: fmt.Errorf("memcache: %s: %w", name, err)})
}

// nodeAddrs returns the addresses of the nodes of the view.
func (c *Client) nodeAddrs() (addrs []string) {
	for _, n := range c.view.Load().nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// maxOwnAddrs bounds what is remembered of connections that a WithDialer has made.
const maxOwnAddrs = 1 << 16

// ownAddrs are this end's addresses of the client's connections, by which a node's log tells the client's ops from those of
// others. An address goes when its connection has been collected as garbage, so that it may soon be another process's.
type ownAddrs struct {
	mu   sync.Mutex
	open map[netip.AddrPort]int // connections
}

// dial returns d, or the default, with what it opens remembered before anything is sent on it.
func (a *ownAddrs) dial(d pool.DialFunc) pool.DialFunc {
	if d == nil {
		d = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d(ctx, network, addr)
		if err == nil && !strings.HasPrefix(network, "unix") {
			a.note(conn)
		}
		return conn, err
	}
}

func (a *ownAddrs) note(conn net.Conn) {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return
	}
	local = netip.AddrPortFrom(local.Addr().Unmap().WithZone(""), local.Port())
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == nil || len(a.open) >= maxOwnAddrs {
		a.open = map[netip.AddrPort]int{}
	}
	a.open[local]++
	if tcp, ok := conn.(*net.TCPConn); ok {
		runtime.AddCleanup(tcp, a.forget, local)
	}
}

func (a *ownAddrs) forget(local netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[local]--; a.open[local] <= 0 {
		delete(a.open, local)
	}
}

func (a *ownAddrs) contains(client netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open[client] > 0
}
