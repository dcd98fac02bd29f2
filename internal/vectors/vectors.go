// Package vectors answers: what did real memcached say, byte for byte?
//
// It embeds conversations recorded from memcached 1.6.18, with the replies of
// other versions where they differ. Only tests import it: the server of
// memcachetest must answer the same bytes, and the decoder of protocol must
// understand them.
package vectors

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

//go:embed protocol.json
var recorded []byte

// Vector is one recorded conversation on one connection to a fresh server.
type Vector struct {
	ID    string   // unique name
	Group string   // what it is about, such as "classic-store" or "lease"
	Args  []string // extra arguments of the server; nil for most
	Note  string   // a remark of the recorder
	Steps []Step   // in order

	// Preopen is the number of idle connections opened before this one.
	Preopen int

	// InSync says whether the connection still answered commands afterwards.
	// It is nil when the server had closed the connection.
	InSync *bool

	// Probe was sent after the steps; nil when the server had closed.
	Probe *Exchange

	// Volatile marks replies that hold clocks, process ids or timing.
	Volatile bool

	// OtherVersions holds the outcomes that differ, by version ("1.6.27").
	OtherVersions map[string]Outcome
}

// Exchange is a request and its whole reply.
type Exchange struct {
	Send []byte
	Recv []byte
}

// Step is one part of a conversation: either a pause or a request with the
// whole reply to it.
type Step struct {
	Exchange
	Closed string  // "fin" or "rst" when the server then ended the connection, else ""
	SleepS float64 // seconds to pause; such a step sends nothing
}

// Outcome is what another version answered to the same requests.
type Outcome struct {
	Recv   [][]byte // one per step that sends, up to the close
	Closed bool     // whether the server then ended the connection
	InSync *bool    // as in Vector
}

// Load decodes the embedded vectors in recorded order. It panics if the
// embedded file is not what this package expects. The caller owns the result.
func Load() []Vector {
	var file struct {
		Count   int
		Vectors []jsonVector
	}
	if err := json.Unmarshal(recorded, &file); err != nil {
		panic(fmt.Sprintf("vectors: %v", err))
	}
	if len(file.Vectors) != file.Count {
		panic(fmt.Sprintf("vectors: %d in the file, %d declared", len(file.Vectors), file.Count))
	}
	vs := make([]Vector, len(file.Vectors))
	for i, jv := range file.Vectors {
		vs[i] = jv.vector()
	}
	return vs
}

type jsonVector struct {
	ID            string
	Group         string
	Args          []string
	Note          string
	Preopen       int
	Steps         []jsonStep
	InSync        *bool `json:"in_sync"`
	Probe         *jsonStep
	Volatile      bool
	OtherVersions map[string]jsonOutcome `json:"other_versions"`
}

type jsonStep struct {
	Send   text
	Recv   text
	Closed string
	SleepS float64 `json:"sleep_s"`
}

type jsonOutcome struct {
	Recv   []text
	Closed bool
	InSync *bool `json:"in_sync"`
}

func (jv jsonVector) vector() Vector {
	v := Vector{
		ID: jv.ID, Group: jv.Group, Args: jv.Args, Note: jv.Note,
		Preopen: jv.Preopen, InSync: jv.InSync, Volatile: jv.Volatile,
	}
	for _, s := range jv.Steps {
		v.Steps = append(v.Steps, Step{Exchange: s.exchange(), Closed: s.Closed, SleepS: s.SleepS})
	}
	if jv.Probe != nil {
		probe := jv.Probe.exchange()
		v.Probe = &probe
	}
	for version, o := range jv.OtherVersions {
		if v.OtherVersions == nil {
			v.OtherVersions = make(map[string]Outcome)
		}
		v.OtherVersions[version] = o.outcome()
	}
	return v
}

func (s jsonStep) exchange() Exchange { return Exchange{Send: s.Send, Recv: s.Recv} }

func (o jsonOutcome) outcome() Outcome {
	out := Outcome{Closed: o.Closed, InSync: o.InSync}
	for _, r := range o.Recv {
		out.Recv = append(out.Recv, r)
	}
	return out
}

// text is bytes in the file's encoding: a string whose code points are bytes,
// or a list of such strings and {"fill": c, "n": N}, N times c.
type text []byte

func (t *text) UnmarshalJSON(data []byte) error {
	*t = (*t)[:0]
	if len(data) > 0 && data[0] == '[' {
		return t.appendParts(data)
	}
	return t.appendString(data, 1)
}

func (t *text) appendParts(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, part := range parts {
		if part[0] != '{' {
			if err := t.appendString(part, 1); err != nil {
				return err
			}
			continue
		}
		var run struct {
			Fill json.RawMessage
			N    int
		}
		if err := json.Unmarshal(part, &run); err != nil {
			return err
		}
		if err := t.appendString(run.Fill, run.N); err != nil {
			return err
		}
	}
	return nil
}

func (t *text) appendString(data []byte, times int) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	one := make([]byte, 0, utf8.RuneCountInString(s))
	for _, r := range s {
		if r > 0xff {
			return fmt.Errorf("code point %U is not a byte", r)
		}
		one = append(one, byte(r))
	}
	*t = append(*t, bytes.Repeat(one, times)...)
	return nil
}
