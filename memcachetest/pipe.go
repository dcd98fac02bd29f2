package memcachetest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBufferSize is how many bytes one direction of a pipe holds before its
// writer waits, in the order of a socket's buffers.
const pipeBufferSize = 256 << 10

// pipeConn is one end of an in-memory connection that behaves like TCP: it is
// buffered and has deadlines, half close and reset. It waits on condition
// variables only, which testing/synctest counts as durably blocked. It is safe
// for concurrent use.
type pipeConn struct {
	in, out       *pipeBuffer
	local, remote net.Addr
}

// newPipe returns the two ends of a connection.
func newPipe(client, server net.Addr) (clientEnd, serverEnd *pipeConn) {
	up, down := newPipeBuffer(), newPipeBuffer()
	clientEnd = &pipeConn{in: down, out: up, local: client, remote: server}
	serverEnd = &pipeConn{in: up, out: down, local: server, remote: client}
	return clientEnd, serverEnd
}

// Read waits for bytes, the end of the stream, a reset or the deadline.
func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write waits until all of p is buffered. After an error some of it may be.
func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. If bytes from the peer are unread, the peer sees
// a reset, as on TCP.
func (c *pipeConn) Close() error {
	unread, err := c.in.closeRead()
	if err != nil {
		return c.wrap("close", err)
	}
	if unread > 0 {
		c.out.reset()
	}
	c.out.closeWrite()
	return nil
}

// CloseWrite ends the stream to the peer, which can still answer.
func (c *pipeConn) CloseWrite() error {
	c.out.closeWrite()
	return nil
}

// reset closes the connection so that the peer sees a reset.
func (c *pipeConn) reset() error {
	c.out.reset()
	return c.Close()
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines, as in net.Conn.
func (c *pipeConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the moment after which Read fails, as in net.Conn.
func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.readLimit.set(t)
	return nil
}

// SetWriteDeadline sets the moment after which Write fails, as in net.Conn.
func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.writeLimit.set(t)
	return nil
}

func (c *pipeConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: c.local.Network(), Source: c.local, Addr: c.remote, Err: err}
}

// pipeBuffer is one direction of a pipe.
type pipeBuffer struct {
	mu      sync.Mutex
	changed sync.Cond // with mu; any field below

	data        []byte // data[start:] is written and not read
	start       int
	writeClosed bool // no more bytes will come
	readClosed  bool // nobody will read them
	wasReset    bool
	readLimit   pipeDeadline
	writeLimit  pipeDeadline
}

func newPipeBuffer() *pipeBuffer {
	b := new(pipeBuffer)
	b.changed.L = &b.mu
	b.readLimit.buffer = b
	b.writeLimit.buffer = b
	return b
}

func (b *pipeBuffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.readClosed:
			return 0, net.ErrClosed
		case b.readLimit.passed:
			return 0, os.ErrDeadlineExceeded
		case b.unread() > 0 || len(p) == 0:
			return b.take(p), nil
		case b.wasReset:
			return 0, syscall.ECONNRESET
		case b.writeClosed:
			return 0, io.EOF
		}
		b.changed.Wait()
	}
}

func (b *pipeBuffer) unread() int { return len(b.data) - b.start }

func (b *pipeBuffer) take(p []byte) int {
	n := copy(p, b.data[b.start:])
	b.start += n
	b.changed.Broadcast()
	return n
}

func (b *pipeBuffer) put(p []byte) {
	if b.unread() == 0 || len(b.data)+len(p) > cap(b.data) {
		b.data = b.data[:copy(b.data, b.data[b.start:])]
		b.start = 0
	}
	b.data = append(b.data, p...)
	b.changed.Broadcast()
}

func (b *pipeBuffer) write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for written := 0; ; {
		switch {
		case b.wasReset && b.readClosed:
			return written, syscall.ECONNRESET
		case b.writeClosed:
			return written, net.ErrClosed
		case b.readClosed:
			return written, syscall.EPIPE
		case b.writeLimit.passed:
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		}
		room := min(pipeBufferSize-b.unread(), len(p)-written)
		if room == 0 {
			b.changed.Wait()
			continue
		}
		b.put(p[written : written+room])
		written += room
	}
}

// closeRead returns how many bytes stay unread; it fails the second time.
func (b *pipeBuffer) closeRead() (unread int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readClosed {
		return 0, net.ErrClosed
	}
	b.readClosed = true
	b.endDeadlines()
	return b.unread(), nil
}

func (b *pipeBuffer) closeWrite() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeClosed = true
	b.endDeadlines()
}

func (b *pipeBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wasReset = true
	b.changed.Broadcast()
}

// endDeadlines stops timers that have nothing left to wake once both ends are
// closed, and wakes everybody. It needs the lock.
func (b *pipeBuffer) endDeadlines() {
	if b.readClosed {
		b.readLimit.stop()
	}
	if b.writeClosed {
		b.writeLimit.stop()
	}
	b.changed.Broadcast()
}

// pipeDeadline is one deadline of a buffer, guarded by the buffer's lock.
type pipeDeadline struct {
	buffer *pipeBuffer
	timer  *time.Timer
	round  int // counts the deadlines set so far
	passed bool
}

func (d *pipeDeadline) set(t time.Time) {
	d.buffer.mu.Lock()
	defer d.buffer.mu.Unlock()
	d.stop()
	d.passed = false
	defer d.buffer.changed.Broadcast()
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		return
	}
	round := d.round
	d.timer = time.AfterFunc(left, func() { d.expire(round) })
}

// expire is the timer's end. A timer replaced meanwhile has nothing to say.
func (d *pipeDeadline) expire(round int) {
	d.buffer.mu.Lock()
	defer d.buffer.mu.Unlock()
	if d.round != round {
		return
	}
	d.passed = true
	d.buffer.changed.Broadcast()
}

func (d *pipeDeadline) stop() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
