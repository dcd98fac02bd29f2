package route

import "context"

// allInitial sends to every replica and believes the home.
type allInitial struct {
	homeOnly
	background *Background
}

// AllInitial sends each op to every replica of its key at once and answers with what the first, the home, says, its error
// included. The others are not waited for.
//
// They go on in b, with copies of the op; if b has no room, they are served before Do returns. A node that misses a write
// which another has done is noted (pool.Node.Missed). What depends on the item that is there is never sent to all: AtHome
// serves it, and reads for update or for a lease are the home's. Without p or b the error is ErrNoPart.
func AllInitial(p Placement, b *Background) (Route, error) {
	if p == nil || b == nil {
		return nil, ErrNoPart
	}
	return &allInitial{newHomeOnly(p), b}, nil
}

func (a *allInitial) Do(ctx context.Context, ops []*Op) {
	ops = a.spread(ctx, ops)
	if len(ops) == 0 {
		return
	}
	f := a.followersOf(ops)
	if a.background.goIfRoom(func() { f.do(context.WithoutCancel(ctx)) }) {
		doEach(ctx, ops, a.home)
		f.homeHas(ops)
		return
	}
	doEach(ctx, ops, a.home)
	f.homeHas(ops)
	f.do(ctx)
}

// followers are copies of ops for all replicas but the home. One goroutine does for them: nobody waits for one of them.
type followers struct {
	write    *write
	homes    []*Op // what the homes came to; written before homeDone is closed
	homeDone chan struct{}
}

func (a *allInitial) followersOf(ops []*Op) *followers {
	f := &followers{write: newWrite(), homeDone: make(chan struct{}), homes: copies(ops)}
	for i, op := range f.homes {
		f.write.add(op, a.placement.Replicas(ops[i]).All[1:], &op.Request)
	}
	return f
}

// homeHas tells the followers what the homes came to.
func (f *followers) homeHas(ops []*Op) {
	for i, op := range ops {
		f.homes[i].Node, f.homes[i].Err = op.Node, op.Err
	}
	close(f.homeDone)
}

func (f *followers) do(ctx context.Context) {
	defer f.write.free()
	f.write.do(ctx)
	<-f.homeDone
	f.write.each(func(home *Op, replies []*Op) {
		noteIfPartial(append([]*Op{home}, replies...))
	})
}

func (a *allInitial) Explain(op *Op) Step { return a.explain("all-initial", op) }
