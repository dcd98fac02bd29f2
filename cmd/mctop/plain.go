package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// plainWidth is that of tables which are not shown in a terminal, for all but the key.
const plainWidth = 120

// every calls f at each interval, count times or until ctx ends. The first call comes after an interval, so that there is
// something to tell.
func (s settings) every(ctx context.Context, f func() error) error {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for i := 0; s.count == 0 || i < s.count; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// printJSON writes a report a line.
func (s settings) printJSON(ctx context.Context, all *sources, out io.Writer) error {
	encoder := json.NewEncoder(out)
	return s.every(ctx, func() error { return encoder.Encode(all.report(ctx, s.lines)) })
}

// print writes a table for each report.
func (s settings) print(ctx context.Context, all *sources, v *view, out io.Writer) error {
	return s.every(ctx, func() error {
		v.update(all.report(ctx, s.lines))
		return v.write(time.Now(), out)
	})
}

// write is render for something that is no terminal: without what moves.
func (v *view) write(now time.Time, out io.Writer) error {
	w := bufio.NewWriter(out)
	rows := v.rows()
	t := v.layout(rows, plainWidth)
	t.key = minKey
	for _, r := range rows {
		t.key = max(t.key, width(r.name)) // whole, for whoever searches the output
	}
	w.WriteString(now.Format(time.DateTime) + "  " + printable(v.report.Source) + "  " + v.totals() + "\n")
	for _, n := range v.report.Notes {
		w.WriteString("! " + printable(n) + "\n")
	}
	w.WriteString(v.head(t) + "\n")
	for _, r := range rows {
		w.WriteString(strings.TrimRight(t.row(r), " ") + "\n")
	}
	if len(rows) == 0 {
		w.WriteString("  " + v.emptiness() + "\n")
	}
	w.WriteString("\n")
	return w.Flush()
}
