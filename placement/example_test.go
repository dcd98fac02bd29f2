package placement_test

import (
	"fmt"

	"github.com/nohop/memcache/placement"
)

// A PHP fleet with OPT_LIBKETAMA_COMPATIBLE and this process find a key at the same server.
func ExampleKetama() {
	servers := []placement.Server{{Host: "10.0.0.1"}, {Host: "10.0.0.2", Weight: 2}, {Host: "10.0.0.3", Port: 11212}}
	place, err := placement.Ketama(servers, placement.MD5)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(servers[place("user:42")].HostPort())
	// Output: 10.0.0.2:11211
}

func ExampleCRC32() {
	servers := []string{"10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"} // in gomemcache's order
	place, err := placement.CRC32(len(servers))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(servers[place("user:42")])
	// Output: 10.0.0.2:11211
}

// mcrouter places by the part of the key before the hash stop.
func ExampleBeforeHashStop() {
	place, err := placement.Ch3(100)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(place(placement.BeforeHashStop("sample|#|1")), place(placement.BeforeHashStop("sample|#|2")))
	// Output: 97 97
}

func ExampleInsideTag() {
	fmt.Println(placement.InsideTag("user:{42}:name", '{', '}'))
	fmt.Println(placement.InsideTag("user:{42}:age", '{', '}'))
	fmt.Println(placement.InsideTag("user:{}:age", '{', '}'))
	// Output:
	// 42
	// 42
	// user:{}:age
}

func ExampleRendezvous_AppendOrder() {
	r, err := placement.NewRendezvous([]string{"mc-0", "mc-1", "mc-2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("home:", r.Pick("user:42"), "failover:", r.AppendOrder(nil, "user:42")[1:])
	// Output: home: 1 failover: [2 0]
}

// A tenth of the keys, always the same ones.
func ExampleFraction() {
	for _, key := range []string{"f4", "f5", "f6", "f7"} {
		fmt.Println(key, placement.Fraction(key) <= 0.1)
	}
	// Output:
	// f4 false
	// f5 true
	// f6 false
	// f7 true
}
