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
	at := placesOf(a.placement, ops, nil) // looked up once: who is the home may change
	f := followersOf(ops, at)
	if a.background.goIfRoom(func() { f.do(context.WithoutCancel(ctx)) }) {
		f.askHomes(ctx, ops, at)
		return
	}
	f.askHomes(ctx, ops, at)
	f.do(ctx)
}

// followers are copies of ops for all replicas but the home. One goroutine does for them: nobody waits for one of them.
type followers struct {
	write    *write
	homes    []*Op // what the homes came to; written before homeDone is closed
	homeDone chan struct{}
}

func followersOf(ops []*Op, at []placed) *followers {
	f := &followers{write: newWrite(), homeDone: make(chan struct{}), homes: copies(ops)}
	for i, op := range f.homes {
		f.write.add(op, at[i].others(), &op.Request)
	}
	return f
}

// askHomes has the homes serve ops. The followers are told also if a route of the caller's panics.
func (f *followers) askHomes(ctx context.Context, ops []*Op, at []placed) {
	defer f.homeHas(ops)
	doAt(ctx, ops, at)
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
