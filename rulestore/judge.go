package rulestore

import (
	"errors"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// judge takes a table or says why not. The caller holds mu.
func (f *Follower) judge(a answer) (changed bool, err error) {
	if a.table == nil {
		if errors.Is(a.err, ErrNoTable) && f.inForce == nil {
			return false, nil // nobody has published yet
		}
		return false, a.err
	}
	changed, err = f.accept(a.table)
	return changed, errors.Join(a.err, err)
}

func (f *Follower) accept(t *hotkey.Table) (changed bool, err error) {
	if t == f.inForce {
		return false, nil
	}
	if f.inForce != nil && f.inForce.Header().Newer(t.Header()) {
		return false, ErrOlder
	}
	f.offered = t
	if err := Check(t); err != nil {
		return false, err
	}
	if err := f.checkNodes(t); err != nil {
		return false, err
	}
	f.inForce = t
	return true, nil
}

// checkNodes refuses a table that names nodes that do not exist, unless it is for another list of nodes.
func (f *Follower) checkNodes(t *hotkey.Table) error {
	if f.nodes == nil {
		return nil
	}
	return t.ForView(f.view).CheckNodes(f.knows)
}

func (f *Follower) knows(node string) bool { return f.nodes[node] }

// current returns what is left of the table in force: rules expire, and nodes leave after a table was taken.
func (f *Follower) current(now time.Time) *hotkey.Table {
	return f.inForce.At(now).ForView(f.view).WithNodes(f.knows)
}
