package protocol

import (
	"strconv"
	"strings"
)

// Dialect is the part of memcached's protocol that a node understands.
type Dialect uint8

// The dialects, in rising order of what they can do.
const (
	Unknown     Dialect = iota // not asked yet
	Text                       // classic text only: servers before 1.6.13, proxies and other compatible servers
	MetaBasic                  // meta commands; misses carry neither opaque nor key (1.6.13 to 1.6.17)
	Meta                       // and misses that do (1.6.18 and later)
	MetaExCAS                  // and explicit CAS, md x, ms s, appends that create the item (1.6.27 and later)
	MetaCondGet                // and conditional mg (1.6.40 and later)
)

var dialectNames = [...]string{"unknown", "text", "meta-basic", "meta", "meta-explicit-cas", "meta-conditional-get"}

// String returns the dialect's name as statistics show it.
func (d Dialect) String() string {
	if int(d) >= len(dialectNames) {
		return dialectNames[0]
	}
	return dialectNames[d]
}

// HasMeta reports whether the dialect has the meta commands.
func (d Dialect) HasMeta() bool { return d >= MetaBasic }

// dialectFloors says from which version on memcached speaks which dialect (memcached's release notes and
// doc/protocol.txt; 1.6.12 answers md C wrongly, so meta starts at 1.6.13).
var dialectFloors = [...]struct {
	dialect Dialect
	since   [3]int
}{
	{MetaCondGet, [3]int{1, 6, 40}},
	{MetaExCAS, [3]int{1, 6, 27}},
	{Meta, [3]int{1, 6, 18}},
	{MetaBasic, [3]int{1, 6, 13}},
}

// DialectOf returns the dialect that a server answering this text to "version" speaks. A text that does not start with
// three numbers, as some proxies send, means Text; so does a version from 2 on, because the servers that are known to
// say so are not memcached. A proxy that hands "version" on to a node, as twemproxy does from 0.5.0 on, looks like that node,
// whatever it understands itself: its dialect has to be set.
func DialectOf(version string) Dialect {
	v, ok := parseVersion(version)
	if !ok || v[0] > 1 {
		return Text
	}
	for _, f := range dialectFloors {
		if !less(v, f.since) {
			return f.dialect
		}
	}
	return Text
}

// parseVersion reads "1.6.18" or "1.6.18_beta-3" as three numbers.
func parseVersion(s string) (v [3]int, ok bool) {
	parts := strings.SplitN(s, ".", 3)
	if len(parts) != 3 {
		return v, false
	}
	parts[2] = leadingDigits(parts[2])
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

func leadingDigits(s string) string {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return s[:i]
		}
	}
	return s
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
