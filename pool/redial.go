package pool

import (
	"sync/atomic"
	"time"
)

// redial is the timer by which a node that is down is dialed again, without anybody having to ask. Were a dial to wait for a
// caller, the first one after a pause would be told what has long ceased to be true, and Stats would go on saying so.
//
// It does not go on for ever: once nobody has asked for the node during maxUnwanted dials in a row, about a minute, it rests.
// A process that does nothing does not dial, look up names and wake up four times a second for each node that is gone; and one
// that has forgotten to close its client does not keep it alive. The next caller dials, and waits for the outcome as the
// first one of all does: what the last dial said is old by then.
//
// While the timer runs there is no goroutine. The node's lock guards all but wanted.
type redial struct {
	timer    *time.Timer // nil: it does not run
	unwanted int         // dials in a row that began without anybody having asked for the node since the one before
	wanted   atomic.Bool // somebody has asked since the last dial of the timer's
}

const maxUnwanted = 250

// want notes that somebody has asked for the node. All callers of a node that is down do.
func (r *redial) want() {
	if !r.wanted.Load() {
		r.wanted.Store(true)
	}
}

// count counts a dial as unwanted, or notes that somebody wants it.
func (r *redial) count() {
	if r.unwanted++; r.wanted.Swap(false) {
		r.unwanted = 0
	}
}

func (r *redial) stop() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// rests reports whether the node, which is down, is not dialed before somebody asks for it, or just because somebody has.
func (d *dialState) rests() bool { return d.redial.unwanted > maxUnwanted }

// isOld is rests for those who do not take the lock.
func (d *dialState) isOld() bool {
	r := d.refused.Load()
	return r != nil && r.until == 0
}

// redialLater starts the timer if the node is down and lacks a connection. The caller holds the lock.
func (n *Node) redialLater() {
	d := &n.dial
	if d.fails == 0 || d.running || d.redial.timer != nil || n.closed || n.lacking() < 0 {
		return
	}
	d.ended = make(chan struct{})
	d.redial.timer = time.AfterFunc(time.Duration(d.next-n.now()), n.dialAgain)
}

// dialAgain is called by the timer.
func (n *Node) dialAgain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &n.dial
	if d.redial.timer == nil { // stopped when it had fired already
		return
	}
	if wait := d.next - n.now(); wait > 0 { // another connection has broken
		d.redial.timer.Reset(time.Duration(wait))
		return
	}
	d.redial.count()
	if stream := n.lacking(); stream >= 0 && d.fails > 0 && !d.rests() {
		n.startDial(stream)
		return
	}
	d.noMore()
	n.publishDial()
}

// lacking returns the first of the connections that the node lacks, or -1.
func (n *Node) lacking() int {
	for i := range n.streams {
		if !n.isSpare(i) && n.streams[i].Load() == nil {
			return i
		}
	}
	return -1
}

// noMore stops the timer. Who waits for its dial shall look again.
func (d *dialState) noMore() {
	d.redial.stop()
	if d.ended != nil && !d.running {
		close(d.ended)
		d.ended = nil
	}
}

// NextDial returns a channel that is closed when the node, which is down, has been dialed once more: when the dial under way
// has ended, or else the next one, which begins within a quarter of a second. nil means that it is not down. It is for who
// wants to know how the node is now: others need not wait.
func (n *Node) NextDial() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	stream, d := n.lacking(), &n.dial
	if d.fails == 0 || stream < 0 || n.closed {
		return nil
	}
	if d.redial.want(); !d.running && n.now() >= d.next {
		n.startDial(stream)
	}
	return d.ended
}
