package rulestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/nohop/memcache/hotkey"
)

// Report is what one process tells whoever leads: how its load lies on the nodes, and which keys are too hot for theirs and
// cannot be helped by copies. Costs are per second, in the unit of hotkey.Stats.CostPerSecond.
type Report struct {
	ID    string    // of the process, 1 to 64 bytes of UTF-8
	View  string    // of the nodes that Loads is about
	Loads []float64 // of this process on each node, in the order of names; rounded to 1/255 of the largest. May be empty
	Keys  []KeyLoad // hottest first
}

// KeyLoad is a key that is to be pinned.
type KeyLoad struct {
	Key  string
	Cost float64
}

// MaxReport is the size in bytes that a report may have in its slot.
const MaxReport = 1 << 10

const (
	maxReportID    = 64
	maxReportNodes = 4096
)

// ErrBadReport is matched by the errors of a report that is not valid.
var ErrBadReport = errors.New("rulestore: bad report")

// ReportError says what is wrong with a report. Its text contains no key.
type ReportError struct{ What string }

func (e *ReportError) Error() string { return ErrBadReport.Error() + ": " + e.What }

// Is makes every ReportError match ErrBadReport.
func (e *ReportError) Is(target error) bool { return target == ErrBadReport }

// NewReport returns the report of a process whose load on each of nodes is loads, by name. Of the remedies, those count that
// are a Pin; the coolest are left out if they do not fit.
func NewReport(id string, nodes []string, loads map[string]float64, remedies []hotkey.Remedy, costPerSecond float64) Report {
	r := Report{ID: id, View: View(nodes)}
	for _, name := range slices.Sorted(slices.Values(nodes)) {
		r.Loads = append(r.Loads, loads[name])
	}
	for _, m := range remedies {
		if m.Decision.Action.Kind != hotkey.Pin {
			continue
		}
		r.Keys = append(r.Keys, KeyLoad{m.Key.Name, m.Key.Share * costPerSecond})
		if _, err := r.encode(); err != nil {
			r.Keys = r.Keys[:len(r.Keys)-1]
			break
		}
	}
	return r
}

// WithoutPins returns the remedies that a process can apply by itself: a pin must be the same for all, so it has to come
// from the store.
func WithoutPins(remedies []hotkey.Remedy) []hotkey.Remedy {
	return slices.DeleteFunc(slices.Clone(remedies), func(r hotkey.Remedy) bool {
		return r.Decision.Action.Kind == hotkey.Pin
	})
}

// jsonReport is a report in its slot, on a line of its own. Fields that are not known are ignored.
type jsonReport struct {
	ID    string    `json:"i"`
	View  string    `json:"v,omitempty"`
	Max   float64   `json:"m,omitempty"` // the largest load
	Loads []byte    `json:"l,omitempty"` // in parts of 1/255 of it
	Keys  []jsonKey `json:"k,omitempty"`
}

type jsonKey struct {
	Key  []byte  `json:"k"` // in base64, since a key need not be UTF-8
	Cost float64 `json:"c"`
}

// encode returns the report as a line. The error is a *ReportError.
func (r *Report) encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	j := jsonReport{ID: r.ID, View: r.View, Loads: make([]byte, len(r.Loads))}
	for _, load := range r.Loads {
		j.Max = max(j.Max, math.Round(load))
	}
	for i, load := range r.Loads {
		if j.Max > 0 {
			j.Loads[i] = byte(min(255, math.Round(load/j.Max*255)))
		}
	}
	for _, k := range r.Keys {
		j.Keys = append(j.Keys, jsonKey{[]byte(k.Key), math.Round(k.Cost)})
	}
	line, err := json.Marshal(j)
	if err != nil {
		return nil, &ReportError{"cannot be encoded"}
	}
	line = append(line, '\n')
	if len(line) > MaxReport {
		return nil, &ReportError{fmt.Sprintf("of %d bytes, which is more than %d", len(line), MaxReport)}
	}
	return line, nil
}

// decodeReport reads a line, without its end. The error is a *ReportError.
func decodeReport(line []byte) (Report, error) {
	if len(line) >= MaxReport {
		return Report{}, &ReportError{fmt.Sprintf("more than %d bytes", MaxReport)}
	}
	var j jsonReport
	if json.Unmarshal(line, &j) != nil {
		return Report{}, &ReportError{"not a report in JSON"}
	}
	r := Report{ID: j.ID, View: j.View, Loads: make([]float64, len(j.Loads))}
	for i, part := range j.Loads {
		r.Loads[i] = float64(part) / 255 * j.Max
	}
	for _, k := range j.Keys {
		r.Keys = append(r.Keys, KeyLoad{string(k.Key), k.Cost})
	}
	if err := r.check(); err != nil {
		return Report{}, err
	}
	return r, nil
}

// check returns a *ReportError if r is not valid.
func (r *Report) check() error {
	switch {
	case r.ID == "" || len(r.ID) > maxReportID || !utf8.ValidString(r.ID):
		return &ReportError{fmt.Sprintf("id is not 1 to %d bytes of UTF-8", maxReportID)}
	case len(r.View) > 255 || !utf8.ValidString(r.View):
		return &ReportError{"view is more than 255 bytes, or not UTF-8"}
	case len(r.Loads) > maxReportNodes:
		return &ReportError{fmt.Sprintf("more than %d nodes", maxReportNodes)}
	}
	for _, load := range r.Loads {
		if !isCost(load) {
			return &ReportError{"a load is no cost"}
		}
	}
	for _, k := range r.Keys {
		if k.Key == "" || len(k.Key) > 250 || !isCost(k.Cost) {
			return &ReportError{"a key or its cost is none"}
		}
	}
	return nil
}

// isCost reports whether c can be a cost per second: not NaN, not negative, and so small that sums of many stay exact.
func isCost(c float64) bool { return c >= 0 && c <= 1<<50 }
