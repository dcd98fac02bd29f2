package rulestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Draft is a table in the making. Pins that are taken out of it stay, as such that end, for PinEnding; nothing else need be done
// about that.
type Draft struct {
	Header hotkey.Header // its Epoch is that of the table before and one
	Rules  []hotkey.Rule // those of the table before that have not expired
}

// Put adds a rule, in the place of one of the same origin for the same key or prefix.
func (d *Draft) Put(rule hotkey.Rule) {
	for i, r := range d.Rules {
		if r.Key == rule.Key && r.Prefix == rule.Prefix && r.Origin == rule.Origin {
			d.Rules[i] = rule
			return
		}
	}
	d.Rules = append(d.Rules, rule)
}

const (
	updateTries = 5
	updatePause = 20 * time.Millisecond // at most, before the second try; twice that before the third, and so on
)

// Update changes the table of a store: edit gets what the store holds, changes it, and Update publishes it, as made by id.
// If somebody else was faster, edit is called again with what he has left; where a part of the store had taken the first
// change, and he built on that, it is in there already, so use Put rather than append. Update returns the table that was
// published, also beside an error that matches ErrPartial. Other errors are edit's own, the store's, a *hotkey.TableError,
// ErrPinMoves, or ErrConflict after five tries; then no table is returned.
//
// In a process that follows the store, use Follower.Update.
func Update(ctx context.Context, store Store, id string, edit func(*Draft) error) (*hotkey.Table, error) {
	return updateOver(ctx, store, id, nil, edit)
}

// Update is as the function Update, on top of the table in force if the store has lost that or has never had it. A rule that
// names a node which is not there is a *hotkey.TableError, unless the table has it already.
func (f *Follower) Update(ctx context.Context, id string, edit func(*Draft) error) (*hotkey.Table, error) {
	return updateOver(ctx, f.cfg.Store, id, f.tableInForce(), func(d *Draft) error {
		before := slices.Clone(d.Rules)
		if err := edit(d); err != nil {
			return err
		}
		return f.checkNodes(d.Rules, before)
	})
}

// checkNodes returns an error for the first node of rules that is not there; those of before may name any.
func (f *Follower) checkNodes(rules, before []hotkey.Rule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nodes == nil {
		return nil
	}
	for i, r := range rules {
		isOld := slices.ContainsFunc(before, func(b hotkey.Rule) bool {
			return b.Key == r.Key && b.Prefix == r.Prefix && slices.Equal(b.Action.Nodes, r.Action.Nodes)
		})
		unknown := slices.IndexFunc(r.Action.Nodes, func(n string) bool { return !f.knows(n) })
		if unknown >= 0 && !isOld && !r.Action.Ends {
			return &hotkey.TableError{Place: fmt.Sprintf("rules[%d].nodes[%d]", i, unknown), What: "unknown node"}
		}
	}
	return nil
}

type editFunc = func(*Draft) error

func updateOver(ctx context.Context, store Store, id string, known *hotkey.Table, edit editFunc) (*hotkey.Table, error) {
	for try := 0; ; try++ {
		t, err := updateOnce(ctx, store, id, known, edit)
		if err == nil || errors.Is(err, ErrPartial) {
			return t, err
		}
		if !errors.Is(err, ErrConflict) || try == updateTries-1 || !sleep(ctx, rand.N(updatePause<<try)) {
			return nil, err
		}
	}
}

func updateOnce(ctx context.Context, store Store, id string, known *hotkey.Table, edit editFunc) (*hotkey.Table, error) {
	before, err := loadOver(ctx, store, known)
	if err != nil {
		return nil, err
	}
	draft := draftOf(before, time.Now())
	draft.Header.Controller = id
	if err := edit(draft); err != nil {
		return nil, err
	}
	if err := draft.keepPins(before, time.Now()); err != nil {
		return nil, err
	}
	t, err := hotkey.NewTable(draft.Header, draft.Rules)
	if err == nil {
		err = Check(t)
	}
	if err != nil {
		return nil, err
	}
	return t, store.Publish(ctx, before.Header(), t)
}

// loadOver returns what the store holds, or known if that is newer; nil if there is no table. An error beside a table is
// not one here.
func loadOver(ctx context.Context, store Store, known *hotkey.Table) (*hotkey.Table, error) {
	t, err := store.Load(ctx)
	switch {
	case t == nil && err != nil && !errors.Is(err, ErrNoTable):
		return nil, err
	case known.Header().Newer(t.Header()):
		return known, nil
	}
	return t, nil
}

func draftOf(before *hotkey.Table, now time.Time) *Draft {
	d := &Draft{Header: before.Header(), Rules: slices.Collect(before.At(now).Rules())}
	d.Header.Epoch++
	if !d.Header.Expires.After(now) {
		d.Header.Expires = time.Time{}
	}
	return d
}

// mayReplace returns ErrConflict unless t may take the place of a table with header held, for someone who had seen base.
func mayReplace(held, base hotkey.Header, t *hotkey.Table) error {
	if held.Newer(base) || !t.Header().Newer(base) {
		return ErrConflict
	}
	return nil
}
