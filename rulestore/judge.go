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
		return false, f.missing()
	}
	if f.inForce != nil && f.inForce.Header().Newer(t.Header()) {
		return false, ErrOlder
	}
	if err := Check(t); err != nil {
		return false, err
	}
	f.inForce, f.awaited = t, true
	return true, f.missing()
}

// missing returns an error for a node that the table in force names and that has not been there since it is, unless the table
// is for another list of nodes. The table is taken all the same: were it refused, a process that has seen a node leave would
// go on without the pins of other nodes that all others have by now.
func (f *Follower) missing() error {
	if !f.awaited || f.nodes == nil {
		return nil
	}
	err := f.inForce.ForView(f.view).CheckNodes(f.knows)
	f.awaited = err != nil
	return err
}

func (f *Follower) knows(node string) bool { return f.nodes[node] }

// current returns what is left of the table in force: rules expire, and nodes leave after a table was taken.
func (f *Follower) current(now time.Time) *hotkey.Table {
	return f.inForce.At(now).ForView(f.view).WithNodes(f.knows)
}
