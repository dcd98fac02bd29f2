package pool

import (
	"errors"
	"time"

	"github.com/nohop/memcache/protocol"
)

const (
	repairBatch = 256                    // deletes sent together
	repairPause = 20 * time.Millisecond  // between tries while the node does not answer
	repairGrace = 200 * time.Millisecond // how long what a broken connection left in a node's sockets may take to be done
)

// Missed tells the node that it has missed the mutation r, whose key has that hash, while other nodes have done it. Until
// the node has deleted the key, nothing reads it here. It is for routes that write several nodes; what breaks on the way
// to the node, the node notes itself.
func (n *Node) Missed(r *protocol.Request, hash uint64) {
	if isJournaled(r.Command) {
		n.journal.missed(r, hash, 0)
		n.startRepair()
	}
}

// noteLate takes a mutation that was given up on conn out of the journal: its reply has come, whatever it says. If its
// connection broke instead, it is to be repaired.
func (n *Node) noteLate(k *call, conn uint64) {
	key := journalKey{k.key, k.binary}
	if errors.Is(k.err, ErrBroken) || errors.Is(k.err, ErrSomeRefused) {
		n.journal.lost(key, k.hash, conn)
		n.startRepair()
		return
	}
	n.journal.answered(key)
}

// startRepair has the journal worked off, unless somebody does already.
func (n *Node) startRepair() {
	j := &n.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.repairing {
		j.repairing = n.spawn(n.repair)
		n.tell(Event{Kind: MissedWrite})
	}
}

// repair deletes at the node what it has missed, until nothing is left or the node is closed.
func (n *Node) repair() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-pause.C:
		}
		jobs := n.journal.due()
		if len(jobs) == 0 {
			n.tell(Event{Kind: Repaired})
			return
		}
		pause.Reset(n.work(jobs))
	}
}

// repairJob is one delete, or the flush of a journal that overflowed.
type repairJob struct {
	key     journalKey // "" for the flush
	conn    uint64
	version uint64
	op      Op
}

// due returns what is to be repaired next. If that is nothing, the repairing goroutine must end.
func (j *journal) due() (jobs []repairJob) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.overflow {
		flush := Op{Request: protocol.Request{Command: protocol.FlushAll}, repairs: true}
		return []repairJob{{conn: j.last, version: j.version, op: flush}}
	}
	for key, e := range j.entries {
		if len(jobs) == repairBatch {
			break
		}
		if e.missed {
			jobs = append(jobs, repairJob{key: key, conn: e.conn, version: e.version, op: deleteOf(key, e.hash)})
		}
	}
	j.repairing = len(jobs) > 0
	return jobs
}

func deleteOf(key journalKey, hash uint64) Op {
	op := Op{Request: protocol.Request{Command: protocol.Delete, Key: key.key}, Hash: hash, repairs: true}
	if key.binary {
		op.Request.Meta = protocol.BinaryKey
	}
	return op
}

// work sends jobs and returns when to look for more.
func (n *Node) work(jobs []repairJob) time.Duration {
	ops := make([]*Op, len(jobs))
	for i := range jobs {
		ops[i] = &jobs[i].op
	}
	sent := n.now()
	n.Do(n.ctx, ops)
	pause := time.Duration(0)
	for i := range jobs {
		if wait := n.unsure(&jobs[i], sent); wait > 0 {
			pause = max(pause, wait)
		} else {
			n.journal.done(&jobs[i])
		}
	}
	return pause
}

// unsure returns how long to wait before a job is tried again; 0: it is done. A delete that was sent on a younger
// connection than the one that broke may have overtaken what that one carried: a process that was paused may still have it
// in a socket. So such a delete counts only when the connection had been there for the grace.
func (n *Node) unsure(job *repairJob, sent int64) time.Duration {
	if job.op.Err != nil {
		return repairPause
	}
	if job.conn == 0 {
		return 0
	}
	c := n.streams[n.streamOf(&job.op)].Load()
	if c == nil || c.id != job.op.Token.conn {
		return repairPause
	}
	return max(0, repairGrace-time.Duration(sent-c.born))
}

// done takes a job's key out of the journal, unless it was missed again meanwhile.
func (j *journal) done(job *repairJob) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if job.op.Request.Command == protocol.FlushAll {
		if j.version == job.version {
			j.overflow = false
			j.active.Store(false)
			j.repaired++
		}
		return
	}
	e := j.entries[job.key]
	if e == nil || e.version != job.version {
		return
	}
	e.missed = false
	j.repaired++
	j.forget(job.key, e)
}
