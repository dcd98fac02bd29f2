package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/nohop/memcache/rulestore"
)

// Lease is a rulestore.Lease in Redis: a key that holds the id of the holder, for rulestore.LeaseTime. Safe for concurrent
// use.
type Lease struct {
	client goredis.UniversalClient
	key    string
}

// NewLease returns a lease under key. The client stays the caller's.
func NewLease(client goredis.UniversalClient, key string) *Lease { return &Lease{client, key} }

// hold is SET NX PX or, for the holder, PEXPIRE.
var hold = goredis.NewScript(`
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`)

var release = goredis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

// Hold takes or renews the lease. The error is the client's.
func (l *Lease) Hold(ctx context.Context, id string) (bool, error) {
	held, err := within(ctx, func() (int, error) {
		return hold.Run(ctx, l.client, []string{l.key}, id, rulestore.LeaseTime.Milliseconds()).Int()
	})
	if err != nil {
		return false, fmt.Errorf("rulestore: redis: lease: %w", err)
	}
	return held == 1, nil
}

// Release deletes the key if id holds the lease. The error is the client's.
func (l *Lease) Release(ctx context.Context, id string) error {
	err := withinErr(ctx, func() error { return release.Run(ctx, l.client, []string{l.key}, id).Err() })
	if err != nil {
		return fmt.Errorf("rulestore: redis: lease: %w", err)
	}
	return nil
}
