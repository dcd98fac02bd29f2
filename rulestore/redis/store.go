package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/rulestore"
)

// Interval is how often the key is looked at, beside messages.
const Interval = 2 * time.Second

// Store is a rulestore.Store in Redis. It also tells of changes (rulestore.Notifier). Safe for concurrent use.
type Store struct {
	client goredis.UniversalClient
	key    string

	mu   sync.Mutex
	last contents
}

// contents is a value that was read, and what is in it.
type contents struct {
	sum   string // SHA-1 of the value
	table *hotkey.Table
	err   error
}

// New returns a store under key. The client stays the caller's, who closes it when nothing uses the store any more.
func New(client goredis.UniversalClient, key string) *Store {
	return &Store{client: client, key: key}
}

func (s *Store) channel() string { return s.key + ":changed" }

// Interval is 2 s.
func (s *Store) Interval() time.Duration { return Interval }

// What look answers if not with the value.
const (
	missing   = 0
	unchanged = 1
	tooLong   = 2
)

// look returns the value if its sum has changed.
var look = goredis.NewScript(`
local v = redis.call('GET', KEYS[1])
if not v then return 0 end
if #v > tonumber(ARGV[2]) then return 2 end
if redis.sha1hex(v) == ARGV[1] then return 1 end
return v`)

// Load reads the table, if it has changed. The error is rulestore.ErrNoTable, one that matches hotkey.ErrBadTable, or the
// client's.
func (s *Store) Load(ctx context.Context) (*hotkey.Table, error) {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	answer, err := within(ctx, func() (any, error) {
		return look.Run(ctx, s.client, []string{s.key}, last.sum, hotkey.MaxTableSize).Result()
	})
	if err != nil {
		return nil, s.fail(err)
	}
	switch answer := answer.(type) {
	case string:
		return s.take(answer)
	case int64:
		switch answer {
		case missing:
			return nil, rulestore.ErrNoTable
		case unchanged:
			return last.table, last.err
		case tooLong:
			return nil, s.fail(&hotkey.TableError{What: fmt.Sprintf("longer than %d bytes", hotkey.MaxTableSize)})
		}
	}
	return nil, s.fail(errors.New("unexpected answer of a script"))
}

// take parses a value, unless another look at the same time has just done so.
func (s *Store) take(value string) (*hotkey.Table, error) {
	digest := sha1.Sum([]byte(value))
	sum := hex.EncodeToString(digest[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.sum == sum {
		return s.last.table, s.last.err
	}
	s.last = contents{sum: sum}
	table, err := hotkey.ParseTable([]byte(value))
	if err != nil {
		s.last.err = s.fail(err)
		return nil, s.last.err
	}
	s.last.table = table
	return table, nil
}

func (s *Store) fail(err error) error { return fmt.Errorf("rulestore: redis: %w", err) }

// Publish puts t in the place of what the key holds, in one transaction, and sends a message. The error is
// rulestore.ErrConflict, also if somebody else wrote at the same time, or the client's; after one of those it is not known
// whether t was published.
func (s *Store) Publish(ctx context.Context, base hotkey.Header, t *hotkey.Table) error {
	if !t.Header().Newer(base) {
		return rulestore.ErrConflict
	}
	data, err := t.MarshalJSON()
	if err != nil {
		return err
	}
	err = withinErr(ctx, func() error {
		return s.client.Watch(ctx, func(tx *goredis.Tx) error { return s.replace(ctx, tx, base, data) }, s.key)
	})
	switch {
	case errors.Is(err, goredis.TxFailedErr):
		return rulestore.ErrConflict
	case err == nil || errors.Is(err, rulestore.ErrConflict):
		return err
	}
	return s.fail(err)
}

// replace writes, if the key is watched and has not changed since. Of what is too long for a table it reads one byte too many.
func (s *Store) replace(ctx context.Context, tx *goredis.Tx, base hotkey.Header, data []byte) error {
	value, err := tx.GetRange(ctx, s.key, 0, hotkey.MaxTableSize).Bytes() // the last one is in it
	if err != nil && !errors.Is(err, goredis.Nil) {
		return err
	}
	if held, invalid := hotkey.ParseTable(value); invalid == nil && held.Header().Newer(base) {
		return rulestore.ErrConflict
	}
	_, err = tx.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Set(ctx, s.key, data, 0)
		p.Publish(ctx, s.channel(), "")
		return nil
	})
	return err
}

// Notify calls changed for each message, and when the subscription stands: after the connection was lost, messages were,
// too. go-redis connects again by itself, so this goes on until ctx ends or the client is closed.
func (s *Store) Notify(ctx context.Context, changed func()) error {
	sub := s.client.Subscribe(ctx)
	defer func() { go sub.Close() }() // it waits for a dial under way
	if err := withinErr(ctx, func() error { return sub.Subscribe(ctx, s.channel()) }); err != nil {
		return s.fail(err)
	}
	messages := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case _, open := <-messages:
			if !open {
				return s.fail(errors.New("the subscription ended"))
			}
			changed()
		}
	}
}
