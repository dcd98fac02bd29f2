package redis_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/rulestore"
	"github.com/nohop/memcache/rulestore/redis"
)

// A person bans a prefix, for all processes that follow the store.
func Example() {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer client.Close()

	store := redis.New(client, "memcache:rules")
	table, err := rulestore.Update(context.Background(), store, "alice", func(d *rulestore.Draft) error {
		d.Rules = append(d.Rules, hotkey.Rule{Prefix: "abuse:", Action: hotkey.Action{Kind: hotkey.Deny}})
		return nil
	})
	fmt.Println(table.Header().Epoch, table.Len(), err)
	// Output: 1 1 <nil>
}
