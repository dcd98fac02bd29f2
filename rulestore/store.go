package rulestore

import (
	"context"
	"errors"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Store is where a fleet keeps its rule table. Its methods are safe for concurrent use.
type Store interface {
	// Load returns the newest valid table that the store holds: the same pointer as before if nothing has changed. A table
	// can be used even if an error is beside it, such as that of one node of three. The error matches ErrNoTable if
	// the store answered and holds none, and hotkey.ErrBadTable if what it holds is not valid.
	Load(ctx context.Context) (*hotkey.Table, error)

	// Publish puts t in the place of the table with header base, or of an older one, an invalid one or none. If the store
	// holds a newer one, or t is not newer than base, the error is ErrConflict and the store keeps what it holds. If t
	// is in only a part of the store, the error matches ErrPartial.
	Publish(ctx context.Context, base hotkey.Header, t *hotkey.Table) error

	// Interval is how often Load should be called; over 0.
	Interval() time.Duration
}

// Notifier is a Store that can say at once that it has changed.
type Notifier interface {
	Store

	// Notify calls changed soon after each change, until ctx ends or the connection is lost, and returns why. Changes can
	// be missed, so Load is called at the interval all the same.
	Notify(ctx context.Context, changed func()) error
}

// Why a table was not loaded, taken or published.
var (
	ErrNoTable   = errors.New("rulestore: the store holds no table")
	ErrOlder     = errors.New("rulestore: the table is older than the one in force")
	ErrConflict  = errors.New("rulestore: the store holds a newer table")
	ErrPartial   = errors.New("rulestore: the table is in a part of the store only")
	ErrPinMoves  = errors.New("rulestore: a pinned key must be free of the pin before it is pinned elsewhere, or again")
	ErrOtherView = errors.New("rulestore: explicit rules of the table name nodes of another list")
	ErrBadConfig = errors.New("rulestore: no valid configuration")
)
