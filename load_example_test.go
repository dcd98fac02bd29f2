package memcache_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
)

// A value of the application's own type, from the cache or from where it comes from, in one call.
func ExampleLoad() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	type User struct{ Name string }
	userFromDatabase := func(ctx context.Context) (User, error) {
		fmt.Println("query")
		return User{Name: "Ada"}, nil
	}
	for range 2 {
		user, err := memcache.Load(ctx, client, "user:7", memcache.JSON[User]{}, time.Hour, userFromDatabase)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(user.Name)
	}
	// Output:
	// query
	// Ada
	// Ada
}

// The database is changed first, then the key is deleted: what was read from the database before cannot come back.
func ExampleClient_GetOrLoad() {
	ctx := context.Background()
	node := memcachetest.NewServer()
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	database := "old price"
	price := func() {
		item, err := client.GetOrLoad(ctx, "price", func(ctx context.Context) (*memcache.Item, error) {
			return &memcache.Item{Value: []byte(database), TTL: time.Hour}, nil
		}, memcache.WithEarlyRecache(time.Minute))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", item.Value)
	}
	price()
	database = "new price"
	if err := client.Delete(ctx, "price"); err != nil {
		log.Fatal(err)
	}
	price()
	fmt.Println("loads:", client.Stats().Loads.Loads)
	// Output:
	// old price
	// new price
	// loads: 2
}

// A value that may be used for a while after it has changed: one caller loads it again, in the background, and nobody
// waits.
func ExampleClient_Invalidate() {
	ctx := context.Background()
	node := memcachetest.NewServer()
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	version, loaded := 0, make(chan bool, 2)
	load := func(ctx context.Context) (string, error) {
		defer func() { loaded <- true }()
		version++
		return fmt.Sprint("version ", version), nil
	}
	get := func() {
		page, err := memcache.Load(ctx, client, "page", memcache.Raw[string]{}, 0, load, memcache.WithBackgroundReload())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(page)
	}
	get()
	if err := client.Invalidate(ctx, "page", 30*time.Second); err != nil {
		log.Fatal(err)
	}
	get()
	<-loaded
	<-loaded
	// Output:
	// version 1
	// version 1
}
