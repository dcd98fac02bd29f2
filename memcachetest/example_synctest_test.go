package memcachetest_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
)

// testExpiry waits a minute for an item to expire, in no time: it is what a
// TestExpiry(t *testing.T) in your package would contain.
func testExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := memcachetest.NewServer(memcachetest.WithPipe())
		defer node.Close() // a goroutine left behind would fail the test

		client, err := node.DialContext(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		send := func(request, want string) {
			t.Helper()
			io.WriteString(client, request)
			reply := make([]byte, len(want))
			if _, err := io.ReadFull(client, reply); err != nil || string(reply) != want {
				t.Errorf("%q answered %q, %v; want %q", request, reply, err, want)
			}
		}
		send("set k 0 60 1\r\nv\r\n", "STORED\r\n")
		time.Sleep(59 * time.Second)
		send("mg k t\r\n", "HD t1\r\n")
		time.Sleep(time.Second)
		send("mg k t\r\n", "EN\r\n")
	})
}

// A server on a pipe inside a testing/synctest bubble.
func ExampleWithPipe() {
	_ = testing.InternalTest{Name: "TestExpiry", F: testExpiry}
}
