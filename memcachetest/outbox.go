package memcachetest

// outbox collects the replies of one connection until they are written.
//
// memcached queues the reply of each command and sends the queue when it runs
// out of requests, after a classic get, after mn, and after a number of
// commands. Until then a get with a too long key throws the queue away, and
// the queue holds the items that it shows. So the outbox keeps committed and
// queued replies apart.
type outbox struct {
	buf       []byte
	committed int     // buf[:committed] may be written
	ends      []int   // where each queued reply ends in buf
	pins      []*item // items held by queued replies
}

// endReply closes the reply appended to buf since the last call. A command
// without a reply still counts.
func (o *outbox) endReply() { o.ends = append(o.ends, len(o.buf)) }

// queued returns how many commands were answered since the last commit.
func (o *outbox) queued() int { return len(o.ends) }

// reset removes what the current command has appended so far.
func (o *outbox) reset() { o.buf = o.buf[:o.replyStart()] }

func (o *outbox) replyStart() int {
	if len(o.ends) == 0 {
		return o.committed
	}
	return o.ends[len(o.ends)-1]
}

// drop throws away every queued reply.
func (o *outbox) drop() {
	o.buf = o.buf[:o.committed]
	o.ends = o.ends[:0]
}

// commit makes the queued replies ready to be written.
func (o *outbox) commit() {
	o.committed = len(o.buf)
	o.ends = o.ends[:0]
}

// sent empties the outbox after all of it was committed and written.
func (o *outbox) sent() {
	o.buf = o.buf[:0]
	o.committed = 0
}

// takeQueue removes the queued replies and returns them with the end of each.
func (o *outbox) takeQueue() (queue []byte, ends []int) {
	queue = append(queue, o.buf[o.committed:]...)
	for _, end := range o.ends {
		ends = append(ends, end-o.committed)
	}
	o.drop()
	return queue, ends
}
