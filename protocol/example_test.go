package protocol_test

import (
	"fmt"
	"time"

	"github.com/nohop/memcache/protocol"
)

// A request is checked, planned for what the node can say, and appended to a buffer.
func ExampleAppendRequest() {
	r := protocol.Request{Command: protocol.Set, Key: "greeting", Value: []byte("hello"), Exptime: 60}
	if err := protocol.Check(&r); err != nil {
		fmt.Println(err)
		return
	}
	for _, version := range []string{"1.5.22", "1.6.18"} {
		form, err := protocol.Plan(protocol.DialectOf(version), &r)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %q\n", version, protocol.AppendRequest(nil, &r, form, 0))
	}
	// Output:
	// 1.5.22: "set greeting 0 60 5\r\nhello\r\n"
	// 1.6.18: "ms greeting 5 T60\r\nhello\r\n"
}

// A reply is decoded line by line, as the answer to the command and form that it must belong to.
func ExampleReply_Decode() {
	var reply protocol.Reply
	for _, line := range []string{"VA 5 t59 O1f", "EN O20", "OK", "CLIENT_ERROR invalid flag"} {
		if err := reply.Decode([]byte(line), protocol.Get, protocol.FormMeta); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(reply.Status == protocol.OK, reply.Block, reply.TTL, reply.Opaque)
	}
	// Output:
	// true 5 59 31
	// false -1 0 32
	// memcache: protocol error: unexpected reply
	// memcache: server answered "CLIENT_ERROR invalid flag"
}

// memcached reads numbers above 30 days as dates.
func ExampleExptime() {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, ttl := range []time.Duration{0, time.Second, 90*time.Second + 1, 720 * time.Hour, 721 * time.Hour, -1} {
		fmt.Println(protocol.Exptime(ttl, now))
	}
	// Output:
	// 0 <nil>
	// 2 <nil>
	// 91 <nil>
	// 2592000 <nil>
	// 1896051600 <nil>
	// 0 memcache: invalid TTL
}
