package rulestore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

const (
	slotPrefix = Reserved + "r"
	slots      = 64
	slotTTL    = 10 // seconds
	reportTime = slotTTL * time.Second
	maxReports = 1 << 14 // remembered
)

// ReportInterval is how often a process should send its report.
const ReportInterval = 2 * time.Second

// Reports carries reports from all processes to whoever leads, through 64 keys in memcached. A process appends to one of
// them, which its id picks; whoever comes first adds it, and ten seconds later it is gone. Safe for concurrent use.
type Reports struct {
	order Order

	mu   sync.Mutex
	seen map[string]received // by id
}

// received is a report and when it was collected last.
type received struct {
	report Report
	at     time.Time
}

// NewReports returns a way for reports over the nodes of order.
func NewReports(order Order) *Reports { return &Reports{order: order} }

func slotKey(slot uint64) string { return slotPrefix + strconv.FormatUint(slot, 10) }

const sendTries = 3 // the slot may come and go between add and append

// Send appends r to its slot. The error is a *ReportError if r is not valid or larger than MaxReport, and nothing is sent
// then; else a *NodeError or ErrNoNodes.
func (s *Reports) Send(ctx context.Context, r Report) error {
	line, err := r.encode()
	if err != nil {
		return err
	}
	key := slotKey(xxhash.Sum64String(r.ID) % slots)
	n, err := s.order.home(key)
	if err != nil {
		return err
	}
	for range sendTries {
		for _, c := range []protocol.Command{protocol.Add, protocol.Append} {
			op, err := ask(ctx, n, protocol.Request{Command: c, Key: key, Value: line, Exptime: exptimeOf(c)})
			if err != nil {
				return &NodeError{n.Name(), err}
			}
			if op.Reply.Status == protocol.OK {
				return nil
			}
		}
	}
	return &NodeError{n.Name(), ErrNotStored}
}

// exptimeOf is the exptime of a slot. An append leaves it as it is.
func exptimeOf(c protocol.Command) int64 {
	if c == protocol.Add {
		return slotTTL
	}
	return 0
}

// Collect returns the newest report of each process that was seen in the last ten seconds, by id. The error joins those of
// nodes that did not answer and a *ReportError for each slot that holds something else; the reports beside it are good.
func (s *Reports) Collect(ctx context.Context) ([]Report, error) {
	ops := make([]*pool.Op, slots)
	for i := range ops {
		ops[i] = newOp(protocol.Request{Command: protocol.Get, Key: slotKey(uint64(i))})
	}
	if err := s.order.doAtHomes(ctx, ops); err != nil {
		return nil, err
	}
	var found []Report
	var errs []error
	for _, op := range ops {
		if op.Err != nil {
			errs = append(errs, op.Err)
			continue
		}
		reports, err := decodeSlot(op.Value)
		found = append(found, reports...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	return s.remember(found, time.Now()), errors.Join(errs...)
}

// decodeSlot returns the reports of a slot, in the order in which they were sent. What is no report is left out, and the
// error is that of the first such.
func decodeSlot(data []byte) (reports []Report, err error) {
	for line := range bytes.Lines(data) {
		r, bad := decodeReport(bytes.TrimSuffix(line, []byte("\n")))
		if bad == nil {
			reports = append(reports, r)
		} else if err == nil {
			err = bad
		}
	}
	return reports, err
}

// remember notes what was found, forgets what is old, and returns the rest: when a slot is gone because its time is over, it
// takes until their next report for all processes to be in it again.
func (s *Reports) remember(found []Report, now time.Time) []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[string]received)
	}
	maps.DeleteFunc(s.seen, func(_ string, r received) bool { return now.Sub(r.at) > reportTime })
	for _, r := range found {
		if _, known := s.seen[r.ID]; known || len(s.seen) < maxReports {
			s.seen[r.ID] = received{r, now}
		}
	}
	var all []Report
	for _, r := range s.seen {
		all = append(all, r.report)
	}
	slices.SortFunc(all, func(a, b Report) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
