package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// view is what is looked at, and how. It does no input and no output.
type view struct {
	interval time.Duration
	list     list
	column   map[list]int // to sort by
	reversed bool
	filter   string
	typing   bool // the filter is being typed
	paused   bool
	help     bool
	top      int // lines scrolled away
	report   hotkey.Report
}

// list is which part of the report is shown.
type list int

const (
	keys list = iota
	missed
	families
	listCount
)

var listNames = [listCount]string{"keys", "missed", "families"}

func newView(interval time.Duration) *view {
	return &view{interval: interval, column: map[list]int{}}
}

// show chooses the list by its name.
func (v *view) show(name string) error {
	i := slices.Index(listNames[:], name)
	if i < 0 {
		return fmt.Errorf("-show is %q, not one of %s", name, strings.Join(listNames[:], ", "))
	}
	v.list = list(i)
	return nil
}

// sortBy chooses the column by its name; "" is the first.
func (v *view) sortBy(name string) error {
	if name == "" {
		return nil
	}
	var names []string
	for i, c := range v.columns() {
		if c.less == nil {
			continue
		}
		if c.name == name {
			v.column[v.list] = i
			return nil
		}
		names = append(names, c.name)
	}
	return fmt.Errorf("-sort is %q, not one of %s", name, strings.Join(names, ", "))
}

// columns are those of the list, in the order in which they are sorted by.
func (v *view) columns() []column {
	if v.list == keys {
		return keyColumns
	}
	return missColumns
}

// update takes a new report, unless the view is paused.
func (v *view) update(r hotkey.Report) {
	if !v.paused {
		v.report = r
	}
}

// rows are the lines of the list, filtered and sorted.
func (v *view) rows() []row {
	var rows []row
	switch v.list {
	case keys:
		for _, k := range v.report.Keys {
			rows = append(rows, keyRow(k))
		}
	case missed:
		rows = missRows(v.report.Missed)
	case families:
		rows = missRows(v.report.Families)
	}
	if v.filter != "" {
		rows = slices.DeleteFunc(rows, func(r row) bool { return !strings.Contains(r.name, v.filter) })
	}
	by := v.columns()[v.column[v.list]]
	slices.SortStableFunc(rows, func(a, b row) int {
		if known := compareKnown(a, b, by.name); known != 0 {
			return known
		}
		if v.reversed {
			return by.less(b, a)
		}
		return by.less(a, b)
	})
	return rows
}

// compareKnown puts what is not known last, in either direction.
func compareKnown(a, b row, column string) int {
	_, aKnown := a.values[column]
	_, bKnown := b.values[column]
	switch {
	case aKnown == bKnown:
		return 0
	case aKnown:
		return -1
	}
	return 1
}

// press does what a key stands for. It reports whether to go on.
func (v *view) press(key string, page int) (goOn bool) {
	if v.typing {
		v.typed(key)
		return key != "ctrl-c"
	}
	v.help = key == "?" || key == "h"
	switch key {
	case "q", "ctrl-c":
		return false
	case "tab":
		v.to((v.list + 1) % listCount)
	case "1", "2", "3":
		v.to(list(key[0] - '1'))
	case "s":
		v.nextColumn()
	case "r":
		v.reversed = !v.reversed
	case " ", "p":
		v.paused = !v.paused
	case "/":
		v.typing, v.filter = true, ""
	case "esc":
		v.filter = ""
	default:
		v.scroll(key, page)
	}
	return true
}

func (v *view) to(l list) {
	v.list, v.top = l, 0
}

func (v *view) nextColumn() {
	columns, rows := v.columns(), v.rows()
	for i := 1; i <= len(columns); i++ {
		next := (v.column[v.list] + i) % len(columns)
		if columns[next].less != nil && columns[next].isIn(rows) {
			v.column[v.list], v.top = next, 0
			return
		}
	}
}

// maxFilter is that of memcached's keys.
const maxFilter = 250

func (v *view) typed(key string) {
	v.top = 0
	switch key {
	case "enter":
		v.typing = false
	case "esc":
		v.typing, v.filter = false, ""
	case "backspace":
		runes := []rune(v.filter)
		v.filter = string(runes[:max(0, len(runes)-1)])
	default:
		if isText(key) && len(v.filter)+len(key) <= maxFilter {
			v.filter += key
		}
	}
}

func (v *view) scroll(key string, page int) {
	last := max(0, len(v.rows())-page)
	switch key {
	case "up", "k":
		v.top--
	case "down", "j":
		v.top++
	case "page up":
		v.top -= page
	case "page down":
		v.top += page
	case "home", "g":
		v.top = 0
	case "end", "G":
		v.top = last
	}
	v.top = max(0, min(v.top, last))
}
