package route

import (
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// combine settles op by the replies of its replicas, home first. What they mean together is said here and nowhere else,
// for each family of commands by which reply counts more:
//
//	                              counts most … least                          if any replica failed
//	get, gets, get-and-touch      miss, hit                                    the first failure
//	set                           exists, not stored, miss; stored             *WriteError: which, and how many acknowledged
//	delete                        deleted, miss                                *WriteError
//	touch                         touched, miss                                *WriteError
//	flush and other               the home's, or the first's                   *WriteError
//
// So a set is stored only where all stored, and a delete or touch is done if any replica had the item: the others may
// have lost it, as caches do. Of replies that count the same the first is kept; it is the home's where the home has one,
// so a CAS in it is the home's too.
//
// Read-modify-writes (add, replace, append, prepend, increment, decrement, compare-and-swap) are not in the table: they
// take effect at the home, and its answer is the answer (AtHome); only a failed clear adds a *WriteError beside it.
//
// A replica that is joining stores nothing and has nothing. A Set is a delete there, which counts as an acknowledgement but
// does not speak for the others; a read or touch fails there and does not count; if all are joining, it is a miss.
//
// Beside a *WriteError op keeps what the replicas that acknowledged say together, and the nodes of the others know that
// they have missed the write.
func combine(op *Op, replies []*Op) {
	failed := failures(replies)
	if slices.ContainsFunc(replies, hasJoined) {
		replies = without(replies, hasJoined)
		failed = failures(replies)
	}
	switch {
	case len(replies) == 0:
		settleMiss(op)
	case len(failed) == 0:
		op.Settle(decisive(op.Request.Command, replies), nil)
	case len(failed) == len(replies) || isRead(op.Request.Command):
		op.Settle(nil, failure(op.Request.Command, len(replies), failed))
	default:
		noteMissed(replies)
		acked := filter(replies, func(r *Op) bool { return r.Err == nil })
		op.Settle(decisive(op.Request.Command, acked), failure(op.Request.Command, len(replies), failed))
	}
}

// noteMissed tells the nodes that have not done a mutation which others have. What is ambiguous, a node notes itself.
func noteMissed(replies []*Op) {
	for _, r := range replies {
		failed, ok := r.Err.(*pool.Error)
		if ok && failed.Outcome != pool.Ambiguous && r.Node != nil {
			r.Node.Missed(&r.Request, r.Hash)
		}
	}
}

// failure is the error of an op some of whose replicas failed. With a single replica there is nothing to combine, and a
// read has changed nothing: then it is the error of the first.
func failure(c protocol.Command, replicas int, failed []error) error {
	if replicas == 1 || isRead(c) {
		return failed[0]
	}
	return &WriteError{Command: c, Acked: replicas - len(failed), Failed: failed}
}

func isRead(c protocol.Command) bool {
	return c == protocol.Get || c == protocol.GetAndTouch || !c.Mutates()
}

// counts is how much a reply counts among those of other replicas, by the command and the reply's status.
var counts = [...][protocol.Exists + 1]uint8{
	protocol.Get:         {protocol.Miss: 1},
	protocol.GetAndTouch: {protocol.Miss: 1},
	protocol.Set:         {protocol.Miss: 1, protocol.NotStored: 2, protocol.Exists: 3},
	protocol.Delete:      {protocol.OK: 1},
	protocol.Touch:       {protocol.OK: 1},
	protocol.Auth:        {}, // all others: the first
}

// decisive returns the reply that speaks for all.
func decisive(c protocol.Command, replies []*Op) *Op {
	best := replies[0]
	for _, r := range replies[1:] {
		more, most := counts[c][r.Reply.Status], counts[c][best.Reply.Status]
		if more > most || more == most && best.Cleared && !r.Cleared {
			best = r
		}
	}
	return best
}

// failures returns the errors of those that failed.
func failures(ops []*Op) (failed []error) {
	for _, op := range ops {
		if op.Err != nil {
			failed = append(failed, op.Err)
		}
	}
	return failed
}
