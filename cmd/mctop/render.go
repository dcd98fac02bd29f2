package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	gap     = 2  // spaces between columns
	minKey  = 18 // columns of the key: others give way before it has fewer
	minText = 14 // columns of text, which gives way first
	maxNote = 3  // lines of notes
	staleBy = 5  // intervals after which a report is called old
)

// table is how the rows are laid out.
type table struct {
	columns []column // without the key
	key     int      // columns of the key
}

// layout chooses the columns that fit. What no row has needs no column; then text is shortened, and then the least important
// columns go.
func (v *view) layout(rows []row, wide int) table {
	var t table
	for _, c := range v.columns() {
		if c.less == nil {
			c.width = textWidth(c, rows, wide)
		}
		if c.name == v.columns()[v.column[v.list]].name {
			c.keep = math.MaxInt // what rows are sorted by is shown
		}
		if c.width > 0 && c.isIn(rows) {
			t.columns = append(t.columns, c)
		}
	}
	for {
		t.fill(wide)
		if t.key < minKey {
			t.shrink()
			t.fill(wide)
		}
		if t.key >= minKey || len(t.columns) == 0 {
			t.key = max(t.key, 1)
			return t
		}
		least := slices.MinFunc(t.columns, func(a, b column) int { return a.keep - b.keep }).keep
		t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.keep == least })
	}
}

// fill gives the key what the columns leave.
func (t *table) fill(wide int) {
	t.key = wide - 2 // the mark of a hot key
	for _, c := range t.columns {
		t.key -= gap + c.width
	}
}

// shrink takes from columns of text what the key lacks, but for a few letters.
func (t *table) shrink() {
	lack := minKey - t.key
	for i := range t.columns {
		if c := &t.columns[i]; c.less == nil {
			take := max(0, min(lack, c.width-minText))
			c.width -= take
			lack -= take
		}
	}
}

// textWidth is what a column of text needs, within its limit.
func textWidth(c column, rows []row, wide int) int {
	longest := 0
	for _, r := range rows {
		longest = max(longest, width(r.cells[c.name]))
	}
	return max(width(c.title), min(longest, wide*c.width/100))
}

// line joins cells. Text is on the left of its column, numbers are on the right.
func (t table) line(mark, key string, cell func(column) string) string {
	var b strings.Builder
	b.WriteString(mark + " " + fit(key, t.key))
	for _, c := range t.columns {
		b.WriteString(strings.Repeat(" ", gap))
		if c.less == nil {
			b.WriteString(fit(cell(c), c.width))
		} else {
			b.WriteString(right(cell(c), c.width))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

func (v *view) head(t table) string {
	title := [listCount]string{"KEY", "MISSED KEY", "FAMILY OF MISSED KEYS"}[v.list]
	by := v.columns()[v.column[v.list]]
	arrow := by.order
	if v.reversed {
		arrow = arrow.reverse()
	}
	if by.name == "key" {
		title += string(arrow)
	}
	return t.line(" ", title, func(c column) string {
		if c.name == by.name {
			return c.title + string(arrow)
		}
		return c.title
	})
}

func (t table) row(r row) string {
	mark := " "
	if r.hot {
		mark = "*"
	}
	return t.line(mark, r.name, func(c column) string { return r.cells[c.name] })
}

// totals is the second line: all ops, and what is seen of them.
func (v *view) totals() string {
	r := v.report
	return fmt.Sprintf("%s ops/s  %s bytes/s  %s misses/s", amount(r.OpsPerSecond), amount(r.BytesPerSecond), amount(r.MissesPerSecond))
}

// notes are what the reader should know.
func (v *view) notes(now time.Time) []string {
	notes := make([]string, 0, maxNote)
	if age := now.Sub(v.report.Time); !v.paused && !v.report.Time.IsZero() && age > staleBy*v.interval {
		notes = append(notes, fmt.Sprintf("this is %s old", age.Round(time.Second)))
	}
	for _, n := range v.report.Notes {
		notes = append(notes, printable(n))
	}
	if more := len(notes) - maxNote; more > 0 {
		notes = append(notes[:maxNote-1], fmt.Sprintf("and %d more like these", more+1))
	}
	return notes
}

// frame is a part of the screen: lines and how many rows of the table are among them.
type frame struct {
	lines []string
	page  int // rows for which there is room
	title int // index of the line with the titles
}

// render draws the view for a terminal of that size, a line for each of its lines at most.
func (v *view) render(now time.Time, wide, high int) frame {
	rows := v.rows()
	t := v.layout(rows, wide)
	f := frame{lines: v.header(now, wide)}
	for _, n := range v.notes(now) {
		f.lines = append(f.lines, strings.TrimRight(fit("! "+n, wide), " "))
	}
	f.lines = append(f.lines, "")
	f.title = len(f.lines)
	f.lines = append(f.lines, v.head(t))
	f.page = max(1, high-len(f.lines)-1) // and the line at the bottom
	v.top = max(0, min(v.top, len(rows)-f.page))
	shown := rows[v.top:min(len(rows), v.top+f.page)]
	for _, r := range shown {
		f.lines = append(f.lines, t.row(r))
	}
	if len(rows) == 0 {
		f.lines = append(f.lines, "  "+v.emptiness())
	}
	for len(f.lines) < high-1 {
		f.lines = append(f.lines, "")
	}
	f.lines = append(f.lines, strings.TrimRight(fit(v.bottom(len(shown), len(rows)), wide), " "))
	f.lines = f.lines[:min(len(f.lines), high)]
	return f
}

// header is the first two lines.
func (v *view) header(now time.Time, wide int) []string {
	clock := now.Format("15:04:05")
	if v.paused {
		clock = "PAUSED"
	}
	source := fit("mctop  "+printable(v.report.Source), wide-width(clock)-gap)
	tabs := make([]string, listCount)
	for i, name := range listNames {
		tabs[i] = name
		if list(i) == v.list {
			tabs[i] = "[" + name + "]"
		}
	}
	lists := strings.Join(tabs, " ")
	totals := fit(v.totals(), wide-width(lists)-gap)
	return []string{
		source + strings.Repeat(" ", gap) + clock,
		strings.TrimRight(fit(totals+strings.Repeat(" ", gap)+lists, wide), " "),
	}
}

func (v *view) emptiness() string {
	switch {
	case v.filter != "":
		return "no key contains " + printable(v.filter)
	case v.report.Time.IsZero():
		return "one moment"
	case v.list == keys:
		return "no key was seen often enough"
	}
	return "nothing was missed often enough"
}

func (v *view) bottom(shown, all int) string {
	switch {
	case v.typing:
		return "filter: " + printable(v.filter) + "_   enter: keep it, esc: take it away"
	case v.help:
		return "tab 1 2 3 list  s sort  r reverse  / filter  space pause  arrows scroll  q quit"
	}
	text := "q quit  ? help"
	if v.filter != "" {
		text += "  filter: " + printable(v.filter) + " (esc: none)"
	}
	if shown < all {
		text += fmt.Sprintf("  %d-%d of %d", v.top+1, v.top+shown, all)
	}
	return text
}
