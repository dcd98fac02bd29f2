package faultproxy

import (
	"math/rand/v2"
	"net"
	"time"
)

const (
	readSize   = 16 << 10 // bytes of one read
	queueSize  = 256      // chunks under way in one direction
	shortWrite = 1 << 10  // bytes of one write where the bandwidth is limited
)

// pump carries bytes one way.
type pump struct {
	conn     *conn
	from, to *net.TCPConn
	linkOf   func(*Faults) Link
	rnd      *rand.Rand // used by read only
	replies  *rewriter  // nil towards the node; used by read only
	queue    chan chunk
	lastDue  time.Time // used by read only
	far      float64   // the connection's part of Link.Spread

	// Used by write only.
	setting *setting // that passed counts for
	passed  int      // bytes since it was set
}

// chunk is bytes that are under way.
type chunk struct {
	data []byte
	due  time.Time
}

func newPump(c *conn, from, to *net.TCPConn, linkOf func(*Faults) Link) *pump {
	rnd := rand.New(rand.NewPCG(c.rnd.Uint64(), c.rnd.Uint64()))
	return &pump{conn: c, from: from, to: to, linkOf: linkOf, rnd: rnd, far: rnd.Float64(), queue: make(chan chunk, queueSize)}
}

// read queues what comes until the sender ends.
func (p *pump) read() {
	defer close(p.queue)
	buf := make([]byte, readSize)
	for {
		n, err := p.from.Read(buf)
		if n > 0 && !p.enqueue(buf[:n]) {
			return
		}
		if err != nil {
			p.ended(err)
			return
		}
	}
}

// enqueue returns false if the connection is over.
func (p *pump) enqueue(b []byte) bool {
	f := &p.conn.proxy.current().Faults
	link := p.linkOf(f)
	if link.Flow == Blackhole {
		p.conn.silence()
	}
	if p.conn.isSilent() {
		return true
	}
	return p.send(p.rewritten(b, f.Replies), link)
}

// rewritten returns a copy of b, or of what becomes of it.
func (p *pump) rewritten(b []byte, r Rewrite) []byte {
	if p.replies != nil {
		return p.replies.next(b, r)
	}
	return append([]byte(nil), b...)
}

func (p *pump) send(b []byte, link Link) bool {
	if len(b) == 0 {
		return true
	}
	due := time.Now().Add(link.Delay + time.Duration(p.far*float64(link.Spread)))
	if link.Jitter > 0 {
		due = due.Add(time.Duration(p.rnd.Int64N(int64(link.Jitter))))
	}
	if due.Before(p.lastDue) {
		due = p.lastDue
	}
	p.lastDue = due
	select {
	case p.queue <- chunk{b, due}:
		return true
	case <-p.conn.ctx.Done():
		return false
	}
}

// ended passes the sender's end on. After a blackhole nobody is told.
func (p *pump) ended(err error) {
	silent := p.conn.isSilent()
	switch {
	case silent && p.from == p.conn.client:
		p.conn.reset() // the last one to care has gone
	case silent:
	case isOrderly(err):
		if p.replies != nil {
			p.send(p.replies.rest(), Link{})
		}
	default:
		p.conn.reset()
	}
}

// write sends what is queued when it is due, then ends the receiver's side as the sender has ended.
func (p *pump) write() {
	for c := range p.queue {
		if !p.sleepUntil(c.due) || !p.deliver(c.data) {
			break
		}
	}
	for range p.queue { // so that read does not block
	}
	if !p.conn.isSilent() {
		p.to.CloseWrite()
	}
}

// deliver writes b as the link allows. It returns false if nothing more may follow.
func (p *pump) deliver(b []byte) bool {
	for len(b) > 0 {
		s, ok := p.awaitFlow()
		if !ok || p.conn.isSilent() {
			return false
		}
		link := p.linkOf(&s.Faults)
		n := p.pieceOf(b, link)
		if n == 0 {
			p.cut(link.Cut)
			return false
		}
		if _, err := p.to.Write(b[:n]); err != nil {
			p.writeFailed()
			return false
		}
		p.passed += n
		b = b[n:]
		if !p.pause(s, link, n) {
			return false
		}
	}
	return true
}

// awaitFlow returns the setting that is on when the flow is not stalled, or false if the connection is over.
func (p *pump) awaitFlow() (*setting, bool) {
	for {
		s := p.conn.proxy.current()
		if s != p.setting {
			p.setting, p.passed = s, 0
		}
		if p.linkOf(&s.Faults).Flow != Stall {
			return s, true
		}
		select {
		case <-s.over:
			if s == p.conn.proxy.current() { // the proxy was closed
				return nil, false
			}
		case <-p.conn.ctx.Done():
			return nil, false
		}
	}
}

// pieceOf returns how much of b goes into the next write; 0: the connection is to be cut here.
func (p *pump) pieceOf(b []byte, link Link) int {
	n := len(b)
	if link.Chunk > 0 {
		n = min(n, link.Chunk)
	}
	if link.BytesPerSecond > 0 {
		n = min(n, shortWrite)
	}
	if link.Cut != NoCut {
		n = min(n, max(0, link.CutAt-p.passed))
	}
	return n
}

func (p *pump) cut(how Cut) {
	if how == FIN {
		p.conn.finish(p.to, p.from)
		return
	}
	p.conn.reset()
}

func (p *pump) writeFailed() {
	if !p.conn.isSilent() {
		p.conn.reset()
	}
}

// pause waits as n bytes on link take, or until the setting is over.
func (p *pump) pause(s *setting, link Link, n int) bool {
	d := link.Drip
	if link.BytesPerSecond > 0 {
		d += time.Duration(n) * time.Second / time.Duration(link.BytesPerSecond)
	}
	return d == 0 || p.wait(d, s.over)
}

func (p *pump) sleepUntil(due time.Time) bool {
	d := time.Until(due)
	return d <= 0 || p.wait(d, nil)
}

// wait returns after d, or when over is closed, and false if the connection is over.
func (p *pump) wait(d time.Duration, over <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-p.conn.ctx.Done():
		return false
	}
	return true
}
