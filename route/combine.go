package route

import "github.com/nohop/memcache/protocol"

// combine settles op by the replies of its replicas, home first. It is the one place that says what they mean together:
//
//	any replica failed       *WriteError: which failed, how many acknowledged
//	set, and all stored      stored
//	set, and some refused    the first refusal: a compare, say, that did not hold
//	delete                   deleted if any replica had the item, else a miss
//	touch and all others     what the home says; the other replicas may have lost the item
//
// The reply that is kept is the home's, so a CAS in it is the home's too.
func combine(op *Op, replies []*Op) {
	if err := writeError(op.Request.Command, replies); err != nil {
		op.Settle(nil, err)
		return
	}
	op.Settle(decisive(op.Request.Command, replies), nil)
}

// writeError returns nil if no replica failed. With a single replica there is nothing to combine: its error is the op's.
func writeError(c protocol.Command, replies []*Op) error {
	failed := failures(replies)
	if len(failed) == 0 {
		return nil
	}
	if len(replies) == 1 {
		return failed[0]
	}
	return &WriteError{Command: c, Acked: len(replies) - len(failed), Failed: failed}
}

// decisive returns the reply that speaks for all.
func decisive(c protocol.Command, replies []*Op) *Op {
	for _, r := range replies {
		switch {
		case c == protocol.Delete && r.Reply.Status == protocol.OK:
			return r
		case c.IsStore() && r.Reply.Status != protocol.OK:
			return r
		}
	}
	return replies[0]
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
