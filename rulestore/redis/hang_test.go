package redis

import (
	"context"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/rulestore"
)

// A server that accepts connections and says nothing holds nobody up longer than the context, though the client would wait
// for five seconds.
func TestAServerThatHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client := goredis.NewClient(&goredis.Options{Addr: l.Addr().String()})
	defer client.Close()
	store, lease := New(client, "rules"), NewLease(client, "lease")
	for name, call := range map[string]func(context.Context) error{
		"load":    func(ctx context.Context) error { _, err := store.Load(ctx); return err },
		"publish": func(ctx context.Context) error { return store.Publish(ctx, hotkey.Header{}, table(t, 1)) },
		"notify":  func(ctx context.Context) error { return store.Notify(ctx, func() { t.Error("changed") }) },
		"hold":    func(ctx context.Context) error { _, err := lease.Hold(ctx, "a"); return err },
		"release": func(ctx context.Context) error { return lease.Release(ctx, "a") },
		"follow": func(ctx context.Context) error {
			f, err := rulestore.NewFollower(rulestore.Config{Store: store})
			require.NoError(t, err)
			return f.Run(ctx, func(*hotkey.Table) { t.Error("a table") })
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		start := time.Now()
		require.ErrorIs(t, call(ctx), context.Canceled, name)
		require.Less(t, time.Since(start), 3*time.Second, name)
	}
}
