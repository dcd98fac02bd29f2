package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nohop/memcache/protocol"
)

// dialState is the one dial that a node may have in flight, and the backoff after it.
type dialState struct {
	running bool
	ended   chan struct{} // closed when the dial in flight, or else the next one, has ended; nil: there is none
	redial  redial
	fails   int    // in a row; more than 0: the node is down
	next    int64  // Node.now before which nobody dials
	err     error  // of the last dial that failed
	local   bool   // err was this machine's fault, not the node's
	count   uint64 // connections made
	barren  int    // connections in a row that broke before they had brought an answer

	refused atomic.Pointer[refusal] // what ready says while the node is down, for those who do not take the lock to hear it
}

// refusal is what callers of a node that is down are told, until a dial of theirs is due.
type refusal struct {
	err   error
	until int64 // Node.now
}

// refusal returns why there will be no connection now; nil if ready is to be asked.
func (d *dialState) refusal(now int64) error {
	r := d.refused.Load()
	if r == nil || now >= r.until {
		return nil
	}
	d.redial.want()
	return r.err
}

// Backoff between failed dials, from the start of one to that of the next. It does not grow: a dead node is dialed fewer than
// five times a second by a process, which costs little, and is back in use a quarter of a second after it answers again, which
// longer waits would rule out. The processes that wait for it come back spread over that time. No caller is needed for a dial
// (redial.go).
const (
	minBackoff = 220 * time.Millisecond
	maxBackoff = 240 * time.Millisecond

	maxBarren = 3 // barren connections in a row that are forgiven: a node may be restarted, and again
)

// ready reports that stream has a connection (nil, nil), or returns a channel that is closed when the dial under way
// has ended, or why there will be none now. It starts a dial if one is due. A node whose last dial failed is down:
// its callers do not wait, unless that was so long ago that it says nothing of now (redial.go).
func (n *Node) ready(stream int) (<-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &n.dial
	switch {
	case n.closed:
		return nil, ErrClosed
	case n.streams[stream].Load() != nil:
		return nil, n.refusal()
	case !d.running && n.now() >= d.next:
		n.startDial(stream)
	}
	d.redial.want()
	if d.fails == 0 || d.rests() {
		return d.ended, nil
	}
	n.ejectDown()
	return nil, d.refused.Load().err
}

// startDial dials; none is under way. The caller holds the lock, and the node is not closed.
func (n *Node) startDial(stream int) {
	d := &n.dial
	d.redial.stop()
	if d.running = true; d.ended == nil {
		d.ended = make(chan struct{})
	}
	n.publishDial()
	n.wg.Go(func() { n.dialOnce(stream) })
}

// endDial lets go on who has waited for the dial that has ended.
func (n *Node) endDial() {
	d := &n.dial
	close(d.ended)
	d.running, d.ended = false, nil
	if d.rests() {
		d.redial.unwanted = 0
	}
	n.redialLater()
	n.publishDial()
}

// waitReady waits until the first of ops can be queued: for a connection, or for room on it.
func (n *Node) waitReady(ctx context.Context, ops []*Op) error {
	op, stream := ops[0], n.streamOf(ops...)
	dialing, err := n.ready(stream)
	if err != nil {
		return err
	}
	if dialing == nil {
		if c := n.streams[stream].Load(); c != nil {
			return c.waitRoom(ctx, op)
		}
		return op.over(ctx)
	}
	timer := time.NewTimer(time.Duration(op.expires - n.now()))
	defer timer.Stop()
	select {
	case <-dialing:
		return op.over(ctx)
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ErrTimeout
	}
}

// dialOnce makes a connection. It outlives the caller that asked for it: others wait for the same.
func (n *Node) dialOnce(stream int) {
	n.count.dials.Add(1)
	began := n.now()
	met, err := n.connect()
	n.tell(dialed(err, time.Duration(n.now()-began)))
	n.mu.Lock()
	defer n.mu.Unlock()
	defer n.endDial()
	switch {
	case err != nil && n.isSpare(stream):
		n.count.dialErrors.Add(1)
	case err != nil:
		n.dialFailed(err, began)
	case n.closed:
		met.nc.Close()
	default:
		n.dial.succeeded(n.now())
		n.meet(met.seen)
		n.streams[stream].Store(newConn(n, met, n.dial.count))
		n.alive()
		n.readmit()
	}
}

func dialed(err error, took time.Duration) Event {
	if err != nil {
		return Event{Kind: DialFailed, Err: err, Took: took}
	}
	return Event{Kind: Dialed, Took: took}
}

func (n *Node) dialFailed(err error, began int64) {
	n.count.dialErrors.Add(1)
	d := &n.dial
	d.err, d.local = err, isLocal(err)
	d.fails++
	d.next = began + backoff()
	n.ejectDown()
}

// ejectDown counts a node that is down among those that are ejected; if there is no room, it is refused all the same.
func (n *Node) ejectDown() {
	if !n.dial.local {
		n.eject()
	}
}

// succeeded ends the backoff, unless connections have been barren: then dials stay rare until one brings an answer.
func (d *dialState) succeeded(now int64) {
	d.count++
	d.redial.unwanted = 0
	if d.barren <= maxBarren {
		d.fails, d.err, d.next = 0, nil, 0
		return
	}
	d.next = now + backoff()
}

// noteAnswers notes whether a connection that broke had brought an answer. A node that greets and then breaks whatever
// comes is backed off from like one that refuses dials, or each request would cost a dial.
func (n *Node) noteAnswers(c *conn, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &n.dial
	switch {
	case c.owed.head.Load() == 0:
		d.barren++
	case d.barren > 0:
		d.barren, d.fails, d.err, d.next = 0, 0, nil, 0
	}
	if d.barren > maxBarren {
		d.err, d.local, d.fails = err, false, d.barren-maxBarren
		d.next = n.now() + backoff()
		n.ejectDown()
		n.redialLater()
	}
	n.publishDial()
}

// publishDial lets callers know of a change of n.dial. While a dial is under way, or another one will be without them, they
// need not ask; but they must ask once the node rests.
func (n *Node) publishDial() {
	d := &n.dial
	r := &refusal{d.err, d.next}
	switch {
	case d.fails == 0 || n.closed:
		r = nil
	case !d.local:
		r.err = newDownError(n.Name(), d.err, 0)
	}
	switch {
	case r == nil:
	case d.rests():
		r.until = 0
	case d.ended != nil:
		r.until = math.MaxInt64
	}
	d.refused.Store(r)
}

// backoff returns the nanoseconds from one dial to the next.
func backoff() int64 { return int64(minBackoff + rand.N(maxBackoff-minBackoff)) }

// isLocal reports whether a dial failed for want of something of this machine's: descriptors, buffers, ports.
func isLocal(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EADDRNOTAVAIL, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// greeting is a connection that may serve callers, and what the node said on it.
type greeting struct {
	nc      net.Conn
	dialect protocol.Dialect
	seen    sighting // where the node is marked
}

// connect dials, secures and authenticates a connection, and has the node answer on it: that a dial succeeds says
// nothing, for the kernel accepts for a process that is stopped.
func (n *Node) connect() (*greeting, error) { return n.open(n.cfg.DialTimeout, n.introduce) }

// open is connect within timeout; introduce is what is said once the node has answered.
func (n *Node) open(timeout time.Duration, introduce func(*greeting) error) (*greeting, error) {
	ctx, cancel := context.WithTimeout(n.ctx, timeout)
	defer cancel()
	raw, err := n.cfg.Dial(ctx, n.cfg.network(), n.cfg.Addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(past) })
	met := &greeting{nc: raw}
	err = n.greet(ctx, met, introduce)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		met.nc.Close()
		return nil, err
	}
	return met, nil
}

func (n *Node) greet(ctx context.Context, met *greeting, introduce func(*greeting) error) (err error) {
	setSocketOptions(met.nc)
	if n.cfg.TLS != nil {
		secured := tls.Client(met.nc, n.tlsConfig())
		if err := secured.HandshakeContext(ctx); err != nil {
			return err
		}
		met.nc = secured
	}
	if met.dialect, err = n.cfg.handshake(met.nc); err != nil {
		return err
	}
	return introduce(met)
}

// introduce takes in what the node says of itself.
func (n *Node) introduce(met *greeting) (err error) {
	if !n.cfg.marks(met.dialect) {
		return nil
	}
	met.seen, err = n.cfg.newMarker(met.nc, met.dialect).greet(n.hasReturned)
	return err
}

// tlsConfig fills in the server's name: the host of the node's identity, which stays when its address changes.
func (n *Node) tlsConfig() *tls.Config {
	if n.cfg.TLS.ServerName != "" {
		return n.cfg.TLS
	}
	cfg := n.cfg.TLS.Clone()
	cfg.ServerName = hostOf(n.cfg.Name)
	return cfg
}

func hostOf(name string) string {
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return strings.Trim(name, "[]")
}
