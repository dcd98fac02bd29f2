package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// window is what one row of an outage shows.
const window = 250 * time.Millisecond

// fullBar is what the readers can read in a window.
const fullBar = readers * int(window/readPause)

// localNodeDies kills the local node while an application reads and writes.
func (s *stage) localNodeDies(ctx context.Context) error {
	s.act("The local node is killed under load")
	s.text("Each row is 250 ms of reads, by the nodes' own counters.")
	s.columns(len(s.nodes), "failed")
	rows := s.startRows()
	defer rows.stop()
	app := startLoad(ctx, s.client)
	failed := func() string { return fmt.Sprintf("%6d", app.failed.Load()) }

	for range 2 {
		rows.next(failed)
	}
	s.event("node 1 is killed")
	s.nodes[0].Kill()
	for range 4 {
		rows.next(failed)
	}
	app.stop()
	return s.checkOutage(app, rows.last)
}

// checkOutage says what the application saw of it. survivors are the reads of the last row.
func (s *stage) checkOutage(app *load, survivors []int) error {
	hits, misses, failed := app.hits.Load(), app.misses.Load(), app.failed.Load()
	if hits == 0 || misses != 0 || failed != 0 {
		return fmt.Errorf("of the reads %d hit, %d missed and %d failed", hits, misses, failed)
	}
	most := slices.Max(survivors)
	if others := survivors[0] + survivors[1] + survivors[2] - most; survivors[0] != 0 || most <= 9*others {
		return fmt.Errorf("with node 1 dead the reads went to %v", survivors)
	}
	s.text("")
	s.holds("%d reads, every one with its value: 0 failed, 0 missed", hits)
	s.holds("node %d, the neighbour of node 1, serves its reads", 1+slices.Index(survivors, most))
	return s.checkWrites(&app.written)
}

// checkWrites tells of the writes that could not reach the dead node.
func (s *stage) checkWrites(w *writes) error {
	missed := s.missedBy(s.nodes[0].Addr())
	if w.done == 0 || w.failed != 0 || missed == 0 {
		return fmt.Errorf("%d writes were done and %d failed; node 1 has missed %d", w.done, w.failed, missed)
	}
	s.holds("writes go on: %d done, 0 failed; what node 1 has missed is remembered,", w.done)
	s.text(fmt.Sprintf("   %d keys, and will not be read there before they are deleted", missed))
	return nil
}

// missedBy returns of how many keys a node has missed writes.
func (s *stage) missedBy(addr string) int {
	for _, n := range s.client.Stats().Nodes {
		if n.Addr == addr {
			return n.Missed
		}
	}
	return 0
}

// maxRows bounds how long the local node may take to be itself again: 5 s.
const maxRows = 20

// localNodeReturns starts the dead node again, empty, and waits until it serves as before.
func (s *stage) localNodeReturns(ctx context.Context) error {
	s.act("The local node comes back, empty")
	s.text("It serves again once it answers, and the writer brings its values back. Until",
		"then a miss on node 1 is asked again at the key's home.")
	s.columns(len(s.nodes), "node 1 has")
	rows := s.startRows()
	defer rows.stop()
	app := startLoad(ctx, s.client)

	rows.next(func() string { return "      dead" })
	s.event("node 1 is started")
	s.nodes[0].Start()
	recovered := false
	for i := 0; i < maxRows && !recovered; i++ {
		recovered = s.servesAsBefore(app, rows)
	}
	app.stop()
	if !recovered {
		return fmt.Errorf("after %v node 1 holds %d keys, and the last reads went to %v",
			maxRows*window, s.nodes[0].Stats().CurrItems, rows.last)
	}
	return s.checkReturn(app)
}

// servesAsBefore draws a row and reports whether in its time node 1, holding all keys, served all reads.
func (s *stage) servesAsBefore(app *load, rows *rows) bool {
	missed := app.misses.Load()
	rows.next(func() string { return fmt.Sprintf("%5d keys", s.nodes[0].Stats().CurrItems) })
	return s.nodes[0].Stats().CurrItems >= len(keys) && app.misses.Load() == missed &&
		rows.last[0] > 0 && sum(rows.last) == rows.last[0]
}

func (s *stage) checkReturn(app *load) error {
	hits, misses, failed := app.hits.Load(), app.misses.Load(), app.failed.Load()
	if failed != 0 || app.written.failed != 0 {
		return fmt.Errorf("%d reads and %d writes failed", failed, app.written.failed)
	}
	if left := s.missedBy(s.nodes[0].Addr()); left > 0 {
		return fmt.Errorf("node 1 has not been repaired of %d keys", left)
	}
	s.text("")
	s.holds("all reads are served by node 1 again, which has all %d keys", len(keys))
	s.holds("%d reads: 0 failed; %d missed before their keys were rewritten,", hits+misses, misses)
	s.text("   none in the last row")
	return nil
}

// rows draws a row at the end of each window.
type rows struct {
	screen *screen
	meter  *meter
	ticker *time.Ticker
	begun  time.Time
	last   []int // the reads of the last row
}

func (s *stage) startRows() *rows {
	return &rows{screen: s.screen, meter: newMeter(s.nodes), ticker: time.NewTicker(window), begun: time.Now()}
}

func (r *rows) stop() { r.ticker.Stop() }

// next waits for the end of the window. note is the last column.
func (r *rows) next(note func() string) {
	now := <-r.ticker.C
	r.last = r.meter.lap()
	r.screen.row(now.Sub(r.begun).Seconds(), r.last, fullBar, note())
}
