package hotkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// jsonTable is a table in a file or a store. Fields that are not known are ignored, so that newer programs can add some.
type jsonTable struct {
	Epoch      uint64            `json:"epoch,omitempty"`
	Controller string            `json:"controller,omitempty"`
	View       string            `json:"view,omitempty"`
	Expires    *time.Time        `json:"expires,omitempty"`
	Rules      []json.RawMessage `json:"rules"`
}

type jsonRule struct {
	Key          string     `json:"key,omitempty"`
	KeyBase64    string     `json:"key_base64,omitempty"` // instead of key, for one that is not UTF-8
	Prefix       string     `json:"prefix,omitempty"`
	PrefixBase64 string     `json:"prefix_base64,omitempty"`
	Do           string     `json:"do"`
	Staleness    string     `json:"staleness,omitempty"`
	Copies       int        `json:"copies,omitempty"`
	Nodes        []string   `json:"nodes,omitempty"`
	Ends         bool       `json:"ends,omitempty"` // a program that does not know it takes the pin as in force until it expires
	Since        *time.Time `json:"since,omitempty"`
	Origin       string     `json:"origin,omitempty"` // explicit if it is left out
	Expires      *time.Time `json:"expires,omitempty"`
}

// ParseTable decodes a table from JSON:
//
//	{
//	  "epoch": 7,
//	  "rules": [
//	    {"key": "front-page", "do": "spread", "copies": 3, "staleness": "250ms"},
//	    {"key": "counter", "do": "pin", "nodes": ["10.0.0.7:11211"], "since": "2026-03-01T12:00:00Z"},
//	    {"key": "total", "do": "pin", "nodes": ["10.0.0.8:11211"], "ends": true, "expires": "2026-03-01T12:10:00Z"},
//	    {"prefix": "abuse:", "do": "deny"},
//	    {"prefix": "catalog:", "do": "auto", "staleness": "1s"}
//	  ]
//	}
//
// "do" is one of none, keep, spread, pin, deny and auto; "key_base64" and "prefix_base64" stand for keys that are not UTF-8;
// times are as in RFC 3339. A pin is not simply taken out: it ends, and stays for ten minutes as one that does. A table with anything wrong in it is refused as a whole: the error is a *TableError that names
// the place.
func ParseTable(data []byte) (*Table, error) {
	if len(data) > MaxTableSize {
		return nil, &TableError{"", fmt.Sprintf("longer than %d bytes", MaxTableSize)}
	}
	var j jsonTable
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, jsonError("", err)
	}
	if j.Rules == nil {
		return nil, &TableError{"rules", "missing"}
	}
	if len(j.Rules) > MaxExplicitRules+MaxAutomaticRules {
		return nil, &TableError{"rules", fmt.Sprintf("more than %d", MaxExplicitRules+MaxAutomaticRules)}
	}
	rules := make([]Rule, len(j.Rules))
	for i, raw := range j.Rules {
		if err := rules[i].decode(raw); err != nil {
			err.Place = strings.TrimSuffix(fmt.Sprintf("rules[%d].%s", i, err.Place), ".")
			return nil, err
		}
	}
	return NewTable(Header{j.Epoch, j.Controller, j.View, timeOf(j.Expires)}, rules)
}

// jsonError places an error of package json, whose text may hold parts of the input.
func jsonError(place string, err error) *TableError {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrong):
		return &TableError{place + wrong.Field, "not a " + wrong.Type.String() + ", but a " + wrong.Value}
	case errors.As(err, &syntax):
		return &TableError{place, fmt.Sprintf("not JSON at byte %d", syntax.Offset)}
	}
	return &TableError{place, "a value has the wrong form"}
}

func (r *Rule) decode(data []byte) *TableError {
	var j jsonRule
	if err := json.Unmarshal(data, &j); err != nil {
		return jsonError("", err)
	}
	*r = Rule{Expires: timeOf(j.Expires), Since: timeOf(j.Since), Action: Action{Copies: j.Copies, Nodes: j.Nodes, Ends: j.Ends}}
	var ok bool
	if r.Key, ok = textOf(j.Key, j.KeyBase64); !ok {
		return &TableError{"key_base64", "not base64, or key is set as well"}
	}
	if r.Prefix, ok = textOf(j.Prefix, j.PrefixBase64); !ok {
		return &TableError{"prefix_base64", "not base64, or prefix is set as well"}
	}
	kind := slices.Index(kindNames[:], j.Do)
	if kind < 0 {
		return &TableError{"do", "not one of " + strings.Join(kindNames[:], ", ")}
	}
	r.Action.Kind = Kind(kind)
	if j.Staleness != "" {
		d, err := time.ParseDuration(j.Staleness)
		if err != nil {
			return &TableError{"staleness", `not a duration such as "250ms"`}
		}
		r.Action.Staleness = d
	}
	switch j.Origin {
	case "", Explicit.String():
	case Automatic.String():
		r.Origin = Automatic
	default:
		return &TableError{"origin", "neither explicit nor automatic"}
	}
	return nil
}

func textOf(plain, encoded string) (text string, ok bool) {
	if encoded == "" {
		return plain, true
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	return string(b), err == nil && plain == ""
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func pointerTo(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// MarshalJSON returns the table in the form that ParseTable reads. The error is a *TableError if it is longer than
// MaxTableSize, or that of a time that RFC 3339 cannot say.
func (t *Table) MarshalJSON() ([]byte, error) {
	h := t.Header()
	j := jsonTable{h.Epoch, h.Controller, h.View, pointerTo(h.Expires), []json.RawMessage{}}
	for r := range t.Rules() {
		raw, err := json.Marshal(r.encode())
		if err != nil {
			return nil, err
		}
		j.Rules = append(j.Rules, raw)
	}
	data, err := json.Marshal(j)
	if err == nil && len(data) > MaxTableSize {
		return nil, &TableError{"", fmt.Sprintf("longer than %d bytes", MaxTableSize)}
	}
	return data, err
}

func (r *Rule) encode() *jsonRule {
	j := &jsonRule{Do: r.Action.Kind.String(), Copies: r.Action.Copies, Nodes: r.Action.Nodes, Ends: r.Action.Ends, Expires: pointerTo(r.Expires), Since: pointerTo(r.Since)}
	j.Key, j.KeyBase64 = encodedText(r.Key)
	j.Prefix, j.PrefixBase64 = encodedText(r.Prefix)
	if r.Action.Staleness > 0 {
		j.Staleness = r.Action.Staleness.String()
	}
	if r.Origin == Automatic {
		j.Origin = r.Origin.String()
	}
	return j
}

func encodedText(s string) (plain, encoded string) {
	if utf8.ValidString(s) {
		return s, ""
	}
	return "", base64.StdEncoding.EncodeToString([]byte(s))
}
