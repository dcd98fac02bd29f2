package route

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nohop/memcache/protocol"
)

// KeySplitOptions say how a key is split. The copies of key are "key", "key::1", "key::2" …
type KeySplitOptions struct {
	Copies   int    // 2 to 1000
	HostID   uint64 // of this process; its own copy is HostID modulo Copies
	AllSync  bool   // a set stores every copy, not the own one alone
	FirstHit bool   // a get asks all copies and returns the first hit, not the own one alone
}

// ErrCopies means that a key cannot be split into that many copies.
var ErrCopies = errors.New("memcache: a key is split into 2 to 1000 copies")

const maxCopies = 1000

type keySplit struct {
	own     int
	options KeySplitOptions
	child   Route
}

// KeySplit keeps several copies of each key under names of their own, so that they live on different nodes: a hot key's
// readers share them, host by host. A get reads the own copy, a set stores it, a delete removes all. With AllSync a set
// stores all copies, and so the plain key decides what depends on the item that is there: the other copies are cleared
// then, and a get that misses at the own copy asks the plain key. If some copies fail a write, the error is a *WriteError.
// A key too long for its copies' names is served unsplit.
func KeySplit(o KeySplitOptions, child Route) (Route, error) {
	if o.Copies < 2 || o.Copies > maxCopies {
		return nil, ErrCopies
	}
	return &keySplit{int(o.HostID % uint64(o.Copies)), o, child}, nil
}

// copyOf returns the name of copy i of key. It is made of the part that is hashed, so that copies are placed apart.
func copyOf(key string, i int) string {
	if i == 0 {
		return key
	}
	part, rest := key, ""
	if stop := strings.Index(key, hashStop); stop >= 0 {
		part, rest = key[:stop], key[stop:]
	}
	return fmt.Sprintf("%s::%d%s", part, i, rest)
}

// hashStop ends the part of a key that is hashed.
const hashStop = "|#|"

// splits reports whether the copies of op's key have names that can be sent.
func (k *keySplit) splits(op *Op) bool {
	longest := protocol.MaxKeySize
	if op.Request.Has(protocol.BinaryKey) {
		longest = protocol.MaxBinaryKeySize
	}
	return len(copyOf(op.Request.Key, k.options.Copies-1)) <= longest
}

// splitWay is what becomes of an op.
type splitWay uint8

const (
	unsplit    splitWay = iota // it is sent as it is
	ownCopy                    // it is about this host's copy
	everyCopy                  // it is sent to all copies at once
	plainFirst                 // the plain key decides, and the other copies are cleared
)

func (k *keySplit) way(op *Op) splitWay {
	c := OperationOf(op)
	switch {
	case !op.Request.Command.IsKeyed() || !k.splits(op):
		return unsplit
	case c == protocol.Delete:
		return everyCopy
	case c == protocol.Get && !op.Request.Mutates() && k.options.FirstHit:
		return everyCopy
	case !k.options.AllSync:
		return ownCopy
	case isReadModifyWrite(op) || c == GetForUpdate:
		return plainFirst
	case c == protocol.Set || c == protocol.Touch:
		return everyCopy
	}
	return ownCopy
}

func (k *keySplit) Do(ctx context.Context, ops []*Op) {
	inAll := func(op *Op) bool { return k.way(op) == everyCopy }
	if every := filter(ops, inAll); len(every) > 0 {
		k.doAll(ctx, every)
		ops = without(ops, inAll)
	}
	rewrite(ctx, ops, func(op *Op) (Route, error) {
		if k.way(op) == ownCopy {
			setKey(op, copyOf(op.Request.Key, k.own))
		}
		return k.child, nil
	})
	if k.options.AllSync {
		k.askPlain(ctx, ops)
		k.clear(ctx, ops)
	}
}

// doAll serves ops at every copy at once, the own one first.
func (k *keySplit) doAll(ctx context.Context, ops []*Op) {
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		w.addKeys(op, k.child, &op.Request, k.copies(op, 0))
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if isRead(op.Request.Command) {
			firstHit(op, copies)
		} else {
			combine(op, copies)
		}
	})
}

// copies returns the names of all copies of op's key from number from on, the own one first.
func (k *keySplit) copies(op *Op, from int) []string {
	names := make([]string, 0, k.options.Copies)
	if k.own >= from {
		names = append(names, copyOf(op.Request.Key, k.own))
	}
	for i := from; i < k.options.Copies; i++ {
		if i != k.own {
			names = append(names, copyOf(op.Request.Key, i))
		}
	}
	return names
}

// firstHit settles op with the first hit; without one with a failure, if there was any, or else the miss.
func firstHit(op *Op, copies []*Op) {
	for _, c := range copies {
		if c.Err == nil && c.Reply.Status == protocol.OK {
			op.Settle(c, nil)
			return
		}
	}
	combine(op, copies)
}

// askPlain asks the plain key for what was a miss at the own copy: a read-modify-write clears the copies.
func (k *keySplit) askPlain(ctx context.Context, ops []*Op) {
	missed := filter(ops, func(op *Op) bool {
		return k.own != 0 && k.way(op) == ownCopy && op.Err == nil && op.Reply.Status == protocol.Miss
	})
	if len(missed) > 0 {
		k.child.Do(ctx, missed)
	}
}

// clear deletes the other copies of what the plain key has changed, or may have.
func (k *keySplit) clear(ctx context.Context, ops []*Op) {
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		if k.way(op) == plainFirst && !op.ForUpdate && mayHaveChanged(op) {
			w.addKeys(op, k.child, clearOf(op), k.copies(op, 1))
		}
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if err := clearError(op, copies); err != nil && op.Err == nil {
			op.Err = err
		}
	})
}

func (k *keySplit) Explain(op *Op) Step {
	s := Step{Route: "key split"}
	own := *op
	setKey(&own, copyOf(op.Request.Key, k.own))
	switch k.way(op) {
	case unsplit:
		s.Why, own = "the key is too long to be split", *op
	case ownCopy:
		s.Why = fmt.Sprintf("this host's copy is %d of %d", k.own, k.options.Copies)
	case everyCopy:
		s.Why = fmt.Sprintf("all %d copies; the own one:", k.options.Copies)
	case plainFirst:
		s.Why, own = fmt.Sprintf("the plain key, then the other %d copies are cleared", k.options.Copies-1), *op
	}
	s.Next = []Step{Explain(k.child, &own)}
	return s
}
