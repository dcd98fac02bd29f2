package pool

import (
	"errors"
	"time"
)

// A node that is suspect answers on the silent connection or it does not: mutations of a key keep their order only there, so
// that connection is drained and not replaced. But a connection can be stuck while the node is well: a reply got lost in
// between, or packets were, and TCP waits ever longer to send again. Nobody would know before the connection's end. So a suspect
// node is asked on a second connection whether it answers. A node that was stopped and runs again answers on both at about
// the same time; where the first stays silent, it is broken off, and what it owed is known to be in doubt (journal.go).

// errStuck breaks a connection.
var errStuck = errors.New("memcache: connection is silent while the node answers on another")

const (
	probeEvery  = 200 * time.Millisecond // from the start of one probe to that of the next; a probe takes no longer
	probeSeldom = time.Second            // the same, when the silence has lasted for longSilence
	longSilence = 3 * time.Second        // by then TCP has given up a peer that acknowledges nothing (socket_linux.go)
)

// probeIfDue probes the node, which has been silent for that long. Most silences end by themselves before that.
func (n *Node) probeIfDue(now int64, silence time.Duration) {
	due := n.health.nextProbe.Load()
	if now < due || silence < 2*n.cfg.Timeout {
		return
	}
	pause := probeEvery
	if silence > longSilence {
		pause = probeSeldom
	}
	if n.health.nextProbe.CompareAndSwap(due, now+int64(pause)) {
		n.spawn(n.probe)
	}
}

func (n *Node) probe() {
	n.count.probes.Add(1)
	met, err := n.open(probeEvery, func(*greeting) error { return nil })
	if err != nil {
		return
	}
	met.nc.Close()
	n.health.spoke.Store(n.now())
}

// spokeSince returns when the node has last answered on some connection after this one, silent since then, had been so for
// as long as makes a node suspect; 0: it has not.
func (n *Node) spokeSince(silent int64) int64 {
	if spoke := n.health.spoke.Load(); spoke > silent+int64(max(n.cfg.Timeout, 2*stalled)) {
		return spoke
	}
	return 0
}

// stuck returns an error when the connection has been silent for long enough after the node has answered on another one.
func (c *conn) stuck(since int64) error {
	if time.Duration(since) < max(c.node.cfg.Timeout/4, 4*tick) {
		return nil
	}
	return errStuck
}
