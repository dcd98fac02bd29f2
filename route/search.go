package route

import "context"

// search is how far a read has come that the first replica has not answered with an item. One miss does not end it: the
// home may have what a read-modify-write has cleared elsewhere, and a node may have come back empty. So a miss stands once
// two replicas have said it, the home being one of them if it answers; or if nobody else answers.
type search struct {
	ops       []*Op // the op, alone
	to        Route // who is asked now
	at        int   // who that is, an index in Replicas.All
	next      int   // in the reading order
	askedHome bool  // the home was asked
	missed    bool  // a replica has said that it has nothing
}

// goOn has other replicas asked for what the first one, asked in that try, has not found.
func (f *failover) goOn(ctx context.Context, ops []*Op, order reading, try int) {
	var few [1]search // a read alone allocates nothing
	for searches := f.begin(few[:0], ops, order, try); len(searches) > 0; {
		searches = f.askNext(ctx, searches, order)
	}
	f.askWhoServes(ctx, ops)
	f.missIfAllJoin(ops)
}

// begin appends a search for each op that has not found anything and may elsewhere.
func (f *failover) begin(searches []search, ops []*Op, order reading, try int) []search {
	for i, op := range ops {
		r := f.placement.Replicas(op)
		if isHit(op) || len(r.All) == 1 {
			continue
		}
		s := search{ops: ops[i : i+1], at: r.slowLast(op, order.slow, try), next: try + 1}
		for i, home := 0, r.home(op); i <= try; i++ {
			s.askedHome = s.askedHome || r.slowLast(op, order.slow, i) == home
		}
		searches = append(searches, s)
	}
	return searches
}

// askNext has each search ask one more replica, and returns those that did.
func (f *failover) askNext(ctx context.Context, searches []search, order reading) []search {
	left := searches[:0]
	for _, s := range searches {
		if s.to = f.nextOf(ctx, &s, order); s.to != nil {
			left = append(left, s)
		}
	}
	switch len(left) {
	case 0:
	case 1:
		resolve(left[0].to, left[0].ops[0]).Do(ctx, left[0].ops)
	default:
		b := newBatch()
		defer b.free()
		for _, s := range left {
			b.add(resolve(s.to, s.ops[0]), s.ops[0])
		}
		b.do(ctx)
	}
	return left
}

// nextOf returns the replica that s asks next; nil if what its op has come to stands.
func (f *failover) nextOf(ctx context.Context, s *search, order reading) Route {
	op := s.ops[0]
	r := f.placement.Replicas(op)
	switch {
	case isMiss(op):
		if s.missed || f.homeDecides && s.at == r.home(op) {
			return nil
		}
		s.missed = true
	case op.Err == nil || ctx.Err() != nil || !isNodeFault(op.Err):
		return nil
	}
	s.at = s.advance(&r, order)
	switch {
	case s.at >= 0:
		if op.Err != nil {
			countFailover(op, op.Node)
		}
		return r.All[s.at]
	case s.missed && op.Err != nil:
		settleMiss(op)
	}
	return nil
}

// advance returns where the next replica is to be asked: the home first, after a miss, where nothing can be at one that is
// joining; -1 if there is none.
func (s *search) advance(r *Replicas, order reading) int {
	op := s.ops[0]
	home := r.home(op)
	if s.missed && !s.askedHome {
		s.askedHome = true
		return home
	}
	for s.next < len(r.All) {
		at := r.slowLast(op, order.slow, s.next)
		s.next++
		if at == home && s.askedHome || s.missed && isJoining(r.All[at], op) {
			continue
		}
		s.askedHome = s.askedHome || at == home
		return at
	}
	return -1
}
