package hotcopy

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// Config of a Copies. The zero value is the default of everything.
type Config struct {
	// Bytes of memory for values kept in the process, keys and about 200 bytes each included. Default 32 MiB; negative: none
	// is kept.
	Bytes int
	// ItemBytes is the size of the largest value kept. Default 256 KiB.
	ItemBytes int
	// CopyTTL is how long copies on other nodes live at most, in whole seconds and 3 at least: memcached counts whole
	// seconds. Default 30 s. They are never wrong; the TTL frees their memory.
	CopyTTL time.Duration
	// WriteTime is longer than a write of this process can be under way: its timeouts and repetitions. Default 1 s. A rule with
	// a staleness is obeyed strictly for so long after it has first met a key, so that no write is overlooked that began
	// before.
	WriteTime time.Duration
	// Observe is called after a read was answered by what this package has asked, and not by being sent: from a copy, by the
	// home's value as a copy was made of it, or found missing. The samplers of the nodes' connections have not seen it
	// (pool.Config.NewSampler). size is that of key and value. It must be quick and safe for concurrent use. Nil: not called.
	Observe func(op *route.Op, size int)
	// OnEvent is called the first time that a node turns out to be unfit for copies. It must be quick and safe for concurrent
	// use. Nil: not called.
	OnEvent func(Event)
}

func (c Config) withDefaults() Config {
	c.Bytes = max(cmp.Or(c.Bytes, 32<<20), 0)
	c.ItemBytes = cmp.Or(c.ItemBytes, 256<<10)
	c.CopyTTL = min(max(cmp.Or(c.CopyTTL, 30*time.Second).Truncate(time.Second), minCopyTTL), maxCopyTTL)
	c.WriteTime = cmp.Or(c.WriteTime, time.Second)
	return c
}

const (
	minCopyTTL = 3 * time.Second             // the shortest that outlives its own making: an exptime of 1 may end at once
	maxCopyTTL = relativeLimit * time.Second // as an exptime, more would be a date
)

// Copies holds what the views of a client have in common: the rules, the values kept in the process, what each node has
// sent, and counters. Safe for concurrent use.
type Copies struct {
	cfg        Config
	born       time.Time // now counts from here, on the monotonic clock
	table      atomic.Pointer[hotkey.Table]
	shelf      shelf
	count      counters
	background *route.Background

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu       sync.Mutex // guards what follows
	accounts map[*pool.Node]*account
	told     map[Event]bool
}

// New returns a Copies without rules. It ends with Close.
func New(cfg Config) *Copies {
	c := &Copies{cfg: cfg.withDefaults(), born: time.Now(), background: route.NewBackground(maxBackground), told: map[Event]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.shelf.limit = c.cfg.Bytes
	return c
}

// maxBackground bounds the refreshes, fills and pushes under way. What comes beyond it is left undone: a reader does it.
const maxBackground = 256

// SetTable has rules apply from now on; nil means none. What is kept for keys that no rule has copied any more is dropped.
func (c *Copies) SetTable(t *hotkey.Table) {
	c.table.Store(t)
	c.shelf.drop(func(e *entry) bool { return !makesCopies(t.Lookup(e.hash, e.key)) })
}

// Table returns the rules that apply.
func (c *Copies) Table() *hotkey.Table { return c.table.Load() }

// makesCopies reports whether a rule, which may be nil, is one of this package's.
func makesCopies(rule *hotkey.Rule) bool {
	return rule != nil && (rule.Action.Kind == hotkey.Keep || rule.Action.Kind == hotkey.Spread)
}

// Forget drops all values kept in the process. Who flushes nodes past the routes calls it when that is done and before it
// says so.
func (c *Copies) Forget() { c.shelf.drop(func(*entry) bool { return true }) }

// Close ends what runs in the background and returns when it has ended: within the nodes' timeouts, so they should be
// closed before. The routes go on without copies. Closing twice is allowed.
func (c *Copies) Close() {
	c.cancel()
	c.SetTable(nil)
	c.background.Close()
}

// now returns monotonic nanoseconds, at least 1.
func (c *Copies) now() int64 { return int64(time.Since(c.born)) + 1 }

// observe tells of an op that was answered without being sent.
func (c *Copies) observe(op *route.Op) {
	if c.cfg.Observe != nil {
		c.cfg.Observe(op, len(op.Request.Key)+max(op.Reply.Block, 0))
	}
}
