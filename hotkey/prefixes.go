package hotkey

import (
	"math/bits"
	"slices"
	"strings"
)

// prefixes finds the longest prefix of a key among those of rules. It is a radix tree in one slice, the root first: each node
// stands for one more piece of a key, and what a key costs is the pieces that it shares, not how many rules there are.
type prefixes []prefixNode

// prefixNode fits a cache line.
type prefixNode struct {
	label  string    // what a key goes on with to get here, without the first byte of it, which the node before knows
	rule   int32     // of the prefix that ends here; -1 if none does
	next   int32     // the first of the nodes that go on from here, which stand together, in the order of their first bytes
	firsts [4]uint64 // a bit for each of these bytes
	below  [4]uint8  // how many of the bits are in the words before
}

// newPrefixes returns those of rules; nil if they have none.
func newPrefixes(rules []Rule) prefixes {
	var sorted []int
	for i := range rules {
		if rules[i].Prefix != "" {
			sorted = append(sorted, i)
		}
	}
	if len(sorted) == 0 {
		return nil
	}
	slices.SortFunc(sorted, func(a, b int) int { return strings.Compare(rules[a].Prefix, rules[b].Prefix) })
	p := prefixes{{rule: -1}}
	p.grow(0, rules, sorted, 0)
	return p
}

// grow makes what goes on from node at, for sorted rules whose prefixes are the same in their first depth bytes.
func (p *prefixes) grow(at int, rules []Rule, sorted []int, depth int) {
	if len(rules[sorted[0]].Prefix) == depth {
		(*p)[at].rule, sorted = int32(sorted[0]), sorted[1:]
	}
	var groups [][]int
	for i, r := range sorted {
		if i == 0 || rules[r].Prefix[depth] != rules[sorted[i-1]].Prefix[depth] {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], r)
	}
	first := len(*p)
	(*p)[at].next = int32(first)
	for _, g := range groups {
		label := common(rules[g[0]].Prefix[depth:], rules[g[len(g)-1]].Prefix[depth:])
		(*p)[at].addFirst(label[0])
		*p = append(*p, prefixNode{label: label[1:], rule: -1})
	}
	for i, g := range groups {
		p.grow(first+i, rules, g, depth+1+len((*p)[first+i].label))
	}
}

// common returns what both begin with.
func common(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

func (n *prefixNode) addFirst(b byte) {
	n.firsts[b/64] |= 1 << (b % 64)
	for i := b/64 + 1; i < 4; i++ {
		n.below[i]++
	}
}

// following returns the node for what goes on with b, or -1.
func (n *prefixNode) following(b byte) int {
	word, bit := n.firsts[b/64], uint64(1)<<(b%64)
	if word&bit == 0 {
		return -1
	}
	return int(n.next) + int(n.below[b/64]) + bits.OnesCount64(word&(bit-1))
}

// longest returns the rule of the longest prefix of key, or -1.
func (p prefixes) longest(key string) int {
	longest := int32(-1)
	for n, at := &p[0], 0; at < len(key); {
		i := n.following(key[at])
		if i < 0 {
			break
		}
		n = &p[i]
		at++
		if n.label != "" {
			if !strings.HasPrefix(key[at:], n.label) {
				break
			}
			at += len(n.label)
		}
		if n.rule >= 0 {
			longest = n.rule
		}
	}
	return int(longest)
}
