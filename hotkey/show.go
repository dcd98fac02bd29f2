package hotkey

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"
)

// Report is what somebody knows of the keys right now, to be shown: a client's debug page serves it as JSON, and cmd/mctop
// reads it. Detector.Report makes one; what a detector cannot know (Source, Home, Remedy, Notes) is its caller's to add.
type Report struct {
	Time            time.Time      `json:"time"`
	Source          string         `json:"source,omitempty"` // whose ops: a client's name, or the nodes that were watched
	OpsPerSecond    float64        `json:"ops_per_second"`
	BytesPerSecond  float64        `json:"bytes_per_second"`
	MissesPerSecond float64        `json:"misses_per_second"`
	Keys            []ReportKey    `json:"keys"`            // hottest first
	Missed          []ReportMissed `json:"missed"`          // keys, most missed first
	Families        []ReportMissed `json:"families"`        // of missed keys, most missed first
	Notes           []string       `json:"notes,omitempty"` // what a reader should know: a node that is not seen, ops that were lost
}

// ReportKey is a line of a Report: a key over the trailing second.
type ReportKey struct {
	Key            string    `json:"key,omitempty"` // "" if keys are not to be shown; in JSON key_base64 if it is not UTF-8
	ID             string    `json:"id"`            // of the key: its hash in hex, to tell keys apart that are not shown
	OpsPerSecond   float64   `json:"ops_per_second"`
	BytesPerSecond float64   `json:"bytes_per_second"`
	Share          float64   `json:"share"`                 // of the cost of all ops, 0 to 1
	FleetShare     float64   `json:"fleet_share,omitempty"` // as Share, of all processes; 0: not known
	HitRatio       *float64  `json:"hit_ratio,omitempty"`   // of its reads, 0 to 1; nil if none was seen
	WriteShare     float64   `json:"write_share"`           // of its ops, 0 to 1
	ItemSize       int       `json:"item_size"`             // mean size of key and value, in bytes
	Sampled        int       `json:"sampled"`               // ops that the estimates rest on
	Hot            time.Time `json:"hot_since,omitzero"`    // since when it is hot; zero if it is not
	Home           string    `json:"home,omitempty"`        // the node that owns it, or those where it was seen
	Remedy         string    `json:"remedy,omitempty"`      // what is done about it; see RemedyText
	Origin         string    `json:"origin,omitempty"`      // who has seen it beside the process that reports: see Key
}

// ReportMissed is a line of a Report: a key, or a family of keys, that is read and not there.
type ReportMissed struct {
	Key             string   `json:"key,omitempty"` // as in ReportKey; "" for a family
	ID              string   `json:"id"`
	Template        string   `json:"template,omitempty"` // the family
	MissesPerSecond float64  `json:"misses_per_second"`
	HitRatio        *float64 `json:"hit_ratio,omitempty"` // of its reads, 0 to 1; nil if it is not known
	Sampled         int      `json:"sampled"`
	Home            string   `json:"home,omitempty"`
	Origin          string   `json:"origin,omitempty"` // as in ReportKey
}

// Report returns the n hottest keys, the n most missed and the n most missed families of the trailing second.
func (d *Detector) Report(n int) Report {
	stats := d.Stats()
	r := Report{
		Time:            time.Now(),
		OpsPerSecond:    stats.OpsPerSecond,
		BytesPerSecond:  stats.BytesPerSecond,
		MissesPerSecond: stats.MissesPerSecond,
		Keys:            []ReportKey{},
	}
	for _, k := range d.Top(n) {
		r.Keys = append(r.Keys, reportKey(k))
	}
	r.Missed = reportMissed(d.Missed(n))
	r.Families = reportMissed(d.MissedTemplates(n))
	for _, e := range d.Eyes() {
		if e.Err != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("%s sees nothing, or not all, for %s: %v", e.Name, e.Age.Round(time.Second), e.Err))
		}
	}
	return r
}

func reportKey(k Key) ReportKey {
	line := ReportKey{
		Key:            k.Name,
		ID:             keyID(k.Hash),
		OpsPerSecond:   k.OpsPerSecond,
		BytesPerSecond: k.BytesPerSecond,
		Share:          k.Share,
		FleetShare:     k.FleetShare,
		Origin:         k.Origin,
		WriteShare:     k.WriteShare,
		ItemSize:       k.ItemSize,
		Sampled:        k.Sampled,
		Hot:            k.Since,
	}
	told := k.reported > 0 && k.Sampled == 0 // and so not how many hit
	if reads := 1 - k.WriteShare; reads > 1e-6 && !told {
		hits := max(0, 1-k.MissShare/reads)
		line.HitRatio = &hits
	}
	return line
}

func reportMissed(list []MissedKey) []ReportMissed {
	lines := []ReportMissed{}
	for _, m := range list {
		line := ReportMissed{
			Key:             m.Name,
			ID:              keyID(m.Hash),
			Template:        m.Template,
			MissesPerSecond: m.MissesPerSecond,
			Sampled:         m.Sampled,
			Origin:          m.Origin,
		}
		if m.ReadsSampled > 0 {
			line.HitRatio = &m.HitRatio
		}
		lines = append(lines, line)
	}
	return lines
}

func keyID(hash uint64) string { return fmt.Sprintf("%016x", hash) }

// RemedyText says an action in few letters: its kind, on how many nodes if that is more than one, and the staleness that
// it allows, such as "keep", "keep 250ms" or "spread 3". It is "" for None.
func RemedyText(a Action) string {
	if a.Kind == None {
		return ""
	}
	text := a.Kind.String()
	if nodes := max(a.Copies, len(a.Nodes)); nodes > 1 {
		text += fmt.Sprintf(" %d", nodes)
	}
	if a.Staleness > 0 {
		text += " " + a.Staleness.String()
	}
	return text
}

// HideKeys takes the names of keys and families out of the report. Their IDs stay: who can guess a key can find out that
// it is there.
func (r *Report) HideKeys() {
	for i := range r.Keys {
		r.Keys[i].Key = ""
	}
	for _, list := range [][]ReportMissed{r.Missed, r.Families} {
		for i := range list {
			list[i].Key, list[i].Template = "", ""
		}
	}
}

// keyBytes says a key that is not UTF-8, which JSON cannot.
type keyBytes struct {
	KeyBase64      []byte `json:"key_base64,omitempty"`
	TemplateBase64 []byte `json:"template_base64,omitempty"`
}

// take moves s to b if JSON would not give it back as it is.
func take(s *string, b *[]byte) {
	if !utf8.ValidString(*s) {
		*b, *s = []byte(*s), ""
	}
}

// give is the reverse of take.
func give(s *string, b []byte) {
	if len(b) > 0 {
		*s = string(b)
	}
}

// MarshalJSON encodes k; see Key.
func (k ReportKey) MarshalJSON() ([]byte, error) {
	type plain ReportKey
	var b keyBytes
	take(&k.Key, &b.KeyBase64)
	return json.Marshal(struct {
		keyBytes
		plain
	}{b, plain(k)})
}

// UnmarshalJSON decodes what MarshalJSON encodes.
func (k *ReportKey) UnmarshalJSON(data []byte) error {
	type plain ReportKey
	var j struct {
		keyBytes
		plain
	}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*k = ReportKey(j.plain)
	give(&k.Key, j.KeyBase64)
	return nil
}

// MarshalJSON encodes m; see ReportKey.Key.
func (m ReportMissed) MarshalJSON() ([]byte, error) {
	type plain ReportMissed
	var b keyBytes
	take(&m.Key, &b.KeyBase64)
	take(&m.Template, &b.TemplateBase64)
	return json.Marshal(struct {
		keyBytes
		plain
	}{b, plain(m)})
}

// UnmarshalJSON decodes what MarshalJSON encodes.
func (m *ReportMissed) UnmarshalJSON(data []byte) error {
	type plain ReportMissed
	var j struct {
		keyBytes
		plain
	}
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*m = ReportMissed(j.plain)
	give(&m.Key, j.KeyBase64)
	give(&m.Template, j.TemplateBase64)
	return nil
}
