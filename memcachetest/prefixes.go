package memcachetest

import (
	"bytes"
	"fmt"
	"sync"
)

// prefixStats counts commands by the part of the key before the first colon,
// while "stats detail" is on. It is safe for concurrent use.
type prefixStats struct {
	mu    sync.Mutex
	on    bool
	order []string
	by    map[string]*prefixCount
}

type prefixCount struct{ gets, hits, sets, deletes int }

// countGet counts a get; found is nil for a miss.
func (p *prefixStats) countGet(key []byte, found *item) {
	p.count(key, func(n *prefixCount) {
		n.gets++
		if found != nil {
			n.hits++
		}
	})
}

func (p *prefixStats) countSet(key []byte) {
	p.count(key, func(n *prefixCount) { n.sets++ })
}

func (p *prefixStats) countDelete(key []byte) {
	p.count(key, func(n *prefixCount) { n.deletes++ })
}

func (p *prefixStats) count(key []byte, change func(*prefixCount)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	prefix, _, found := bytes.Cut(key, []byte(":"))
	if !p.on || !found {
		return
	}
	n := p.by[string(prefix)]
	if n == nil {
		n = new(prefixCount)
		p.by[string(prefix)] = n
		p.order = append(p.order, string(prefix))
	}
	change(n)
}

func (p *prefixStats) enable()  { p.mu.Lock(); p.on = true; p.mu.Unlock() }
func (p *prefixStats) disable() { p.mu.Lock(); p.on = false; p.mu.Unlock() }

func (p *prefixStats) enabled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on
}

func (p *prefixStats) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order, p.by = nil, make(map[string]*prefixCount)
}

// appendDump appends the lines of "stats detail dump", oldest prefix first.
func (p *prefixStats) appendDump(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, prefix := range p.order {
		n := p.by[prefix]
		b = fmt.Appendf(b, "PREFIX %s get %d hit %d set %d del %d\r\n", prefix, n.gets, n.hits, n.sets, n.deletes)
	}
	return append(b, "END\r\n"...)
}
