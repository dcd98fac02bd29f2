package memcache

import (
	"time"

	"github.com/nohop/memcache/protocol"
)

// LoadOption configures one call of GetOrLoad or Load. It is a plain value, so that a hit pays nothing for it. Of two
// that say different things, the later counts.
type LoadOption struct {
	kind loadOptionKind
	d    time.Duration
}

type loadOptionKind uint8

const (
	optLease loadOptionKind = iota + 1
	optWait
	optRecache
	optBackground
	optFailBusy
	optNoLeases
)

const (
	defaultLease = 3 * time.Second
	defaultWait  = time.Second
)

// WithLease sets how long a lease lasts; the default is 3 s. It is counted in whole seconds, rounded up, at least 2. It
// should be longer than the slowest load: a value that comes later is returned and not stored. And it is how long a key
// stays without a loader if the one that has the lease dies. A d of 0 or less is ErrBadOption.
func WithLease(d time.Duration) LoadOption { return LoadOption{optLease, d} }

// WithWait sets how long to wait for a value that another process is loading; the default is 1 s, and 0 is not at all.
// After that the caller loads for itself, and what it has loaded is not stored. A d below 0 is ErrBadOption.
func WithWait(d time.Duration) LoadOption { return LoadOption{optWait, d} }

// WithErrBusy returns ErrBusy where the wait for another process's load was in vain, instead of loading too.
func WithErrBusy() LoadOption { return LoadOption{kind: optFailBusy} }

// WithEarlyRecache has one caller of all load the value again when less than d, rounded up to seconds, is left of its
// TTL, while the others use it as before; at most 30 days. Items without a TTL are left alone. A d of 0 or less is
// ErrBadOption.
func WithEarlyRecache(d time.Duration) LoadOption { return LoadOption{optRecache, d} }

// WithBackgroundReload has the caller that is to load a value again, because it is stale or soon expires, return the old
// one at once and load in the background; by default it waits for the new one. If the client has as much work in the
// background as it takes, the caller waits all the same. What goes wrong in the background is logged (WithLogger) and
// counted (LoadStats.Errors); a panic of load too.
func WithBackgroundReload() LoadOption { return LoadOption{kind: optBackground} }

// WithoutLeases is for servers that have no leases: those before 1.6.13, and other compatible ones. The load is shared
// in this process only, and the value is stored with Add. What is lost: another process may store a value that was read
// before a Delete, and everybody reads it until its TTL ends; items are neither stale nor recached.
func WithoutLeases() LoadOption { return LoadOption{kind: optNoLeases} }

// loadOptions are what the options of a call say.
type loadOptions struct {
	lease, recache int64 // seconds
	wait           time.Duration
	background     bool
	failBusy       bool
	noLeases       bool
}

func newLoadOptions(opts []LoadOption) (loadOptions, error) {
	o := loadOptions{lease: int64(defaultLease / time.Second), wait: defaultWait}
	for _, opt := range opts {
		if opt.d < 0 || opt.d == 0 && (opt.kind == optLease || opt.kind == optRecache) {
			return o, badOption("a time of a load must be positive")
		}
		if err := o.set(opt); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *loadOptions) set(opt LoadOption) (err error) {
	switch opt.kind {
	case optLease:
		o.lease, err = protocol.Exptime(opt.d, time.Now())
	case optWait:
		o.wait = opt.d
	case optRecache:
		o.recache = int64((opt.d-1)/time.Second) + 1
	case optBackground:
		o.background = true
	case optFailBusy:
		o.failBusy = true
	case optNoLeases:
		o.noLeases = true
	}
	return err
}
