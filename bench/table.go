package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// table is a header and rows of cells.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) {
	t.rows = append(t.rows, cells)
}

// writeText aligns the columns with spaces.
func (t *table) writeText(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.header}, t.rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
}

func (t *table) writeMarkdown(out io.Writer) {
	separator := strings.Split(strings.Repeat("---,", len(t.header)-1)+"---", ",")
	for _, row := range append([][]string{t.header, separator}, t.rows...) {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
}

// report prints results as they come and remembers what the last table and the exit status need.
type report struct {
	out      io.Writer
	mode     mode
	markdown bool
	checks   []check
	problems int // failed operations, and clients that could not run
}

func newReport(out io.Writer, m mode, markdown bool) *report {
	return &report{out: out, mode: m, markdown: markdown}
}

// heading says how and where it was measured; call is what a system call takes that does nothing.
func (r *report) heading(cfg config, call time.Duration) {
	r.title("#", fmt.Sprintf("%s: GOMAXPROCS=%d, %s, a system call %v, congestion control %s, medians of %d rounds of %v",
		r.mode, runtime.GOMAXPROCS(0), runtime.Version(), call, congestionControl(), cfg.rounds, cfg.duration))
}

// congestionControl names what sends on the machine's TCP connections. It shows in results of large values: BBR paces what
// follows each other on one connection.
func congestionControl() string {
	name, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(name))
}

func (r *report) title(level, text string) {
	if r.markdown {
		text = level + " " + text
	}
	fmt.Fprintf(r.out, "\n%s\n\n", text)
}

func (r *report) write(t *table) {
	if r.markdown {
		t.writeMarkdown(r.out)
		return
	}
	t.writeText(r.out)
}

// workload prints one result, the goals of each client beside its numbers.
func (r *report) workload(result result) {
	checks := checkGoals(result, r.mode)
	r.checks = append(r.checks, checks...)
	r.title("##", fmt.Sprintf("%s: %s (%s)", result.workload.name, result.workload.about, r.mode))
	t := &table{header: []string{
		"client", "ops/s", "×", "p50 µs", "×", "p99 µs", "×", "CPU µs/op", "×", "allocs/op", "B/op", "goals",
	}}
	base, _ := result.row(anchor)
	for _, row := range result.rows {
		if row.note != "" {
			t.add(noteCells(row, len(t.header))...)
			continue
		}
		t.add(rowCells(row, base, result.workload, checks)...)
	}
	r.write(t)
	r.failures(result)
}

// noteCells is a row whose note stands where the goals do, so that it widens no column of numbers.
func noteCells(row row, width int) []string {
	cells := make([]string, width)
	for i := range cells {
		cells[i] = "-"
	}
	cells[0], cells[width-1] = row.name, oneLine(row.note)
	return cells
}

func rowCells(row, base row, w workload, checks []check) []string {
	cells := []string{row.name}
	for _, m := range []metric{throughput, latency50, latency99, cpuPerOp} {
		if m.name == cpuPerOp.name && w.burners > 0 {
			cells = append(cells, "-", "-") // most of it is the burners'
			continue
		}
		cells = append(cells, number(medianOf(row.samples, m)), ratio(medianRatio(row.samples, base.samples, m)))
	}
	cells = append(cells, ratio(medianOf(row.samples, allocs)), number(medianOf(row.samples, allocBytes)))
	return append(cells, goalCell(row.name, checks))
}

// goalCell is for example "ops/s × bradfitz >= 5: 5.31 ok; allocs/op <= 2: 2.00 ok".
func goalCell(client string, checks []check) string {
	var parts []string
	for _, c := range checks {
		if c.client == client {
			parts = append(parts, fmt.Sprintf("%s %s: %s %s", c.what, c.bound(), ratio(c.measured), c.verdict()))
		}
	}
	return strings.Join(parts, "; ")
}

// failures prints failed operations, which make all numbers of their row doubtful.
func (r *report) failures(result result) {
	for _, row := range result.rows {
		if row.failed {
			r.problems++
		}
		failed, ops, first := row.failures()
		if failed > 0 {
			r.problems += failed
			fmt.Fprintf(r.out, "FAILED: %s: %d of %d operations, the first with: %v\n", row.name, failed, ops, first)
		}
	}
}

func (r row) failures() (failed, ops int, first error) {
	for _, s := range r.samples {
		failed += s.failed
		ops += s.ops
		if first == nil {
			first = s.firstError
		}
	}
	return failed, ops, first
}

// goals prints all goals of the mode once more, in one table.
func (r *report) goals() {
	if len(r.checks) == 0 {
		return
	}
	met := 0
	t := &table{header: []string{"workload", "client", "measured in", "goal", "measured", "", "floor"}}
	for _, c := range r.checks {
		t.add(c.workload, c.client, c.what, c.bound(), ratio(c.measured), c.verdict(), ratio(c.floor))
		if c.verdict() == "ok" {
			met++
		}
	}
	r.title("##", fmt.Sprintf("goals (%s): %d of %d met", r.mode, met, len(r.checks)))
	r.write(t)
}

// problem is an error if a client or an operation failed. A goal that is not met is a result, not a failure.
func (r *report) problem() error {
	if r.problems == 0 {
		return nil
	}
	return fmt.Errorf("%s: %d clients or operations failed", r.mode, r.problems)
}

// number prints three significant digits at least, and no decimals above 100.
func number(x float64) string {
	switch {
	case math.IsNaN(x):
		return "-"
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

func ratio(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.2f", x)
}

// oneLine keeps a server's output from breaking the table.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "/")
}
