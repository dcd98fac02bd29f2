package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/nohop/memcache/hotkey"
)

// row is a line of a table.
type row struct {
	name   string // what the filter looks at
	hot    bool
	cells  map[string]string  // by column
	values map[string]float64 // what columns are sorted by; what is not known is not there
}

// column is one of a table, behind the key, which takes what the others leave.
type column struct {
	name  string
	title string
	width int                // of text: the most it may be, in percent of the screen
	keep  int                // the lowest goes first where there is no room
	order order              // how it is sorted at first
	less  func(a, b row) int // nil if it is text, and not to be sorted by
}

// isSeldom reports whether a column is left out where no row has anything in it: text, and what few clients know.
func (c column) isSeldom() bool { return c.less == nil || c.name == "fleet" }

// isIn reports whether a column is among those of rows.
func (c column) isIn(rows []row) bool {
	return !c.isSeldom() || slices.ContainsFunc(rows, func(r row) bool { return r.cells[c.name] != "" })
}

// order is a direction, as it is shown.
type order string

const (
	down order = "▼"
	up   order = "▲"
)

func (o order) reverse() order {
	if o == down {
		return up
	}
	return down
}

// The columns of both tables. The first is what they are sorted by at first.
var (
	keyColumns = []column{
		{"share", "SHARE", 6, 7, down, descending("share")},
		{"fleet", "FLEET", 6, 2, down, descending("fleet")},
		{"ops", "OPS/S", 6, 8, down, descending("ops")},
		{"bytes", "BYTES/S", 8, 6, down, descending("bytes")},
		{"hit", "HITS", 6, 5, up, ascending("hit")},
		{"key", "", 0, 0, up, byName},
		{"home", "HOME", 23, 3, "", nil},
		{"remedy", "REMEDY", 10, 4, "", nil},
		{"origin", "SEEN BY", 14, 1, "", nil},
	}
	missColumns = []column{
		{"misses", "MISSES/S", 9, 6, down, descending("misses")},
		{"hit", "HITS", 6, 4, up, ascending("hit")},
		{"key", "", 0, 0, up, byName},
		{"home", "HOME", 30, 2, "", nil},
		{"origin", "SEEN BY", 14, 1, "", nil},
	}
)

func descending(name string) func(a, b row) int {
	return func(a, b row) int { return cmp.Or(cmp.Compare(b.values[name], a.values[name]), byName(a, b)) }
}

func ascending(name string) func(a, b row) int {
	return func(a, b row) int { return cmp.Or(cmp.Compare(a.values[name], b.values[name]), byName(a, b)) }
}

func byName(a, b row) int { return strings.Compare(a.name, b.name) }

func keyRow(k hotkey.ReportKey) row {
	r := row{
		name: nameOf(k.Key, k.ID),
		hot:  !k.Hot.IsZero(),
		cells: map[string]string{
			"share":  percent(k.Share),
			"ops":    amount(k.OpsPerSecond),
			"bytes":  amount(k.BytesPerSecond),
			"hit":    ratio(k.HitRatio),
			"home":   printable(k.Home),
			"remedy": printable(k.Remedy),
			"origin": printable(k.Origin),
		},
		values: map[string]float64{
			"share": k.Share,
			"ops":   k.OpsPerSecond,
			"bytes": k.BytesPerSecond,
		},
	}
	if k.FleetShare > 0 {
		r.cells["fleet"], r.values["fleet"] = percent(k.FleetShare), k.FleetShare
	}
	return r.withRatio(k.HitRatio)
}

func missRows(lines []hotkey.ReportMissed) (rows []row) {
	for _, m := range lines {
		r := row{
			name: nameOf(cmp.Or(m.Key, m.Template), m.ID),
			cells: map[string]string{
				"misses": amount(m.MissesPerSecond),
				"hit":    ratio(m.HitRatio),
				"home":   printable(m.Home),
				"origin": printable(m.Origin),
			},
			values: map[string]float64{"misses": m.MissesPerSecond},
		}
		rows = append(rows, r.withRatio(m.HitRatio))
	}
	return rows
}

// nameOf is what is shown for a key; its id where the client keeps its keys to itself.
func nameOf(key, id string) string {
	if key == "" {
		return "id " + printable(id)
	}
	return printable(key)
}

// withRatio adds the hit ratio, if it is known.
func (r row) withRatio(v *float64) row {
	if v != nil {
		r.values["hit"] = *v
	}
	return r
}
