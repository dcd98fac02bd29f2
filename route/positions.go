package route

import "fmt"

// positions places keys by a function over a list of routes.
type positions struct {
	position func(key string) int
	replicas []Replicas // by position
}

// Positions places each key at the route whose index position returns, as clients in other languages do (see package
// placement), and on the replicas-1 routes after it in the list, which starts over at its end; on all, if there are
// fewer. Unlike Slots, it makes the order of the list matter.
func Positions(routes []Route, replicas int, position func(key string) int) (Placement, error) {
	switch {
	case len(routes) == 0:
		return nil, ErrNoMembers
	case replicas < 1:
		return nil, ErrBadReplica
	}
	p := &positions{position: position}
	for home := range routes {
		var r Replicas
		for i := range min(replicas, len(routes)) {
			r.All = append(r.All, routes[(home+i)%len(routes)])
		}
		p.replicas = append(p.replicas, r)
	}
	return p, nil
}

func (p *positions) Replicas(op *Op) Replicas { return p.replicas[p.position(op.Request.Key)] }

// Why names the position.
func (p *positions) Why(op *Op) string {
	return fmt.Sprintf("position %d of %d", p.position(op.Request.Key), len(p.replicas))
}
