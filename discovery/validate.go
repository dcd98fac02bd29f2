package discovery

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameBytes bounds names and zones: they are in every metric and log line.
const maxNameBytes = 255

// Validate returns the list as a Follower hands it on: checked, with names and weights filled in, addresses in one
// spelling, sorted by name, and without repeated nodes (of two with the same name and address the first counts). The input
// stays as it is. The error is ErrTooManyNodes if there are more than most, or a *NodeError; no part of the list
// is returned then. An empty list is valid.
func Validate(nodes []Node, most int) ([]Node, error) {
	if len(nodes) > most {
		return nil, ErrTooManyNodes
	}
	list := make([]Node, len(nodes))
	for i, n := range nodes {
		checked, err := n.validate()
		if err != nil {
			return nil, err
		}
		list[i] = checked
	}
	slices.SortStableFunc(list, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Addr, b.Addr)) })
	list = slices.CompactFunc(list, func(a, b Node) bool { return a.Name == b.Name && a.Addr == b.Addr })
	if err := checkUnique(list); err != nil {
		return nil, err
	}
	return list, nil
}

// validate checks one node and fills in its defaults.
func (n Node) validate() (Node, error) {
	name, given := n.Name, n.Addr
	bad := func(err error) (Node, error) { return Node{}, &NodeError{name, given, err} }
	addr, ok := canonical(n.Addr)
	if !ok {
		return bad(ErrBadAddr)
	}
	n.Addr = addr
	if n.Name == "" {
		n.Name = addr
	}
	if !isLabel(n.Name) {
		return bad(ErrBadName)
	}
	if n.Zone != "" && !isLabel(n.Zone) {
		return bad(ErrBadZone)
	}
	if math.IsNaN(n.Weight) || math.IsInf(n.Weight, 0) || n.Weight < 0 {
		return bad(ErrBadWeight)
	}
	if n.Weight == 0 {
		n.Weight = 1
	}
	return n, nil
}

// checkUnique expects list sorted by name.
func checkUnique(list []Node) error {
	owner := make(map[string]string, len(list))
	for i, n := range list {
		if i > 0 && list[i-1].Name == n.Name {
			return &NodeError{n.Name, n.Addr, ErrDuplicateName}
		}
		if _, taken := owner[n.Addr]; taken {
			return &NodeError{n.Name, n.Addr, ErrDuplicateAddr}
		}
		owner[n.Addr] = n.Name
	}
	return nil
}

// isLabel reports whether s can stand in a log line and a metric as it is.
func isLabel(s string) bool {
	return s != "" && len(s) <= maxNameBytes && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	})
}
