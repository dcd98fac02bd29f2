package pool

import "github.com/nohop/memcache/protocol"

// records says where TLS records must end. memcached before 1.6.39 forgets what comes behind a value in the same record: it
// reads the rest of the value straight from the TLS layer, and then waits for a socket that has nothing more to say (mended by
// its commit 96e05b75f). So what follows a value begins a record of its own there.
type records struct {
	apart bool  // the node needs it
	due   bool  // the last request had a value
	ends  []int // in the write buffer
}

// needsRecordsApart reports whether a node that speaks d may be such a memcached.
func needsRecordsApart(d protocol.Dialect) bool { return d < protocol.MetaCondGet }

// wrote notes that a request was queued, with a value or without.
func (r *records) wrote(value []byte) { r.due = r.apart && len(value) > 0 }

// begin notes that another one begins at that offset.
func (r *records) begin(at int) {
	if r.due {
		r.ends, r.due = append(r.ends, at), false
	}
}

// take returns the ends in what the flusher takes, in exchange for the memory of earlier ones.
func (r *records) take(spare []int) []int {
	ends := r.ends
	r.ends, r.due = spare[:0], false
	return ends
}

// writeRecords writes buf, with a write of its own for each record that must end.
func (c *conn) writeRecords(buf []byte) (n int, err error) {
	for _, end := range c.flusher.ends {
		m, err := c.nc.Write(buf[n:end])
		if n += m; err != nil {
			return n, err
		}
	}
	m, err := c.nc.Write(buf[n:])
	return n + m, err
}
