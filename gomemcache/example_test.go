package memcache_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"time"

	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/memcachetest"
)

// A program written for gomemcache, with another import path.
func Example() {
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	mc := memcache.New(node.Addr())
	mc.Timeout = time.Second
	err := mc.Set(&memcache.Item{Key: "foo", Value: []byte("my value"), Expiration: 3600})
	if err != nil {
		log.Fatal(err)
	}
	it, err := mc.Get("foo")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", it.Value)

	_, err = mc.Get("bar")
	fmt.Println(err == memcache.ErrCacheMiss)
	// Output:
	// my value
	// true
}

// A list that is changed while the client is in use, and an error for a server that cannot be.
func ExampleServerList() {
	one, two := memcachetest.NewServer(), memcachetest.NewServer()
	defer one.Close()
	defer two.Close()

	servers := new(memcache.ServerList)
	if err := servers.SetServers(one.Addr()); err != nil {
		log.Fatal(err)
	}
	mc := memcache.NewFromSelector(servers)
	defer mc.Close()
	fmt.Println(mc.Set(&memcache.Item{Key: "k", Value: []byte("v")}))

	fmt.Println(servers.SetServers(one.Addr(), "no port") != nil)
	fmt.Println(servers.SetServers(two.Addr()))
	_, err := mc.Get("k")
	fmt.Println(err)
	// Output:
	// <nil>
	// true
	// <nil>
	// memcache: cache miss
}

func ExampleClient_CompareAndSwap() {
	node := memcachetest.NewServer()
	defer node.Close()
	mc := memcache.New(node.Addr())
	defer mc.Close()
	if err := mc.Set(&memcache.Item{Key: "k", Value: []byte("1")}); err != nil {
		log.Fatal(err)
	}

	it, err := mc.Get("k")
	if err != nil {
		log.Fatal(err)
	}
	it.Value = []byte("2")
	fmt.Println(mc.CompareAndSwap(it))
	it.Value = []byte("3") // the version is still the old one
	fmt.Println(mc.CompareAndSwap(it))
	// Output:
	// <nil>
	// memcache: compare-and-swap conflict
}

// A GetMulti returns what it got, beside the error of what it could not get.
func ExampleClient_GetMulti() {
	node := memcachetest.NewServer()
	defer node.Close()
	mc := memcache.New(node.Addr())
	defer mc.Close()
	for _, key := range []string{"a", "c"} {
		if err := mc.Set(&memcache.Item{Key: key, Value: []byte("value of " + key)}); err != nil {
			log.Fatal(err)
		}
	}

	found, err := mc.GetMulti([]string{"a", "b", "c"})
	fmt.Println(len(found), err)
	fmt.Printf("%s\n", found["c"].Value)
	// Output:
	// 2 <nil>
	// value of c
}

// Servers behind TLS.
func ExampleClient_tls() {
	mc := memcache.New("10.0.0.1:11211")
	dialer := &tls.Dialer{Config: &tls.Config{ServerName: "cache.example"}}
	mc.DialContext = dialer.DialContext
}

// What else an error can be asked.
func ExampleErrServerError() {
	node := memcachetest.NewServer() // takes items up to a megabyte
	defer node.Close()
	mc := memcache.New(node.Addr())
	defer mc.Close()

	err := mc.Set(&memcache.Item{Key: "large", Value: make([]byte, 2<<20)})
	fmt.Println(errors.Is(err, memcache.ErrServerError))
	// Output: true
}
