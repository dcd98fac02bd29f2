package memcachetest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/nohop/memcache/memcachetest"
)

// dial stands for your client: anything that is given an address or a dialer.
func dial(node *memcachetest.Server) net.Conn {
	conn, err := node.DialContext(context.Background(), "tcp", node.Addr())
	if err != nil {
		panic(err)
	}
	return conn
}

// ask sends a request and prints n lines of the reply.
func ask(conn net.Conn, request string, n int) {
	io.WriteString(conn, request)
	replies := bufio.NewScanner(conn)
	for range n {
		replies.Scan()
		fmt.Println(replies.Text())
	}
}

func Example() {
	node := memcachetest.NewServer()
	defer node.Close()

	client := dial(node) // or net.Dial("tcp", node.Addr())
	defer client.Close()
	ask(client, "set greeting 0 60 5\r\nhello\r\n", 1)
	ask(client, "get greeting\r\n", 3)

	stats := node.Stats()
	fmt.Println(stats.Sets, "set,", stats.GetHits, "hit")
	// Output:
	// STORED
	// VALUE greeting 0 5
	// hello
	// END
	// 1 set, 1 hit
}

// A reply that stops in the middle: does the client notice?
func ExampleServer_Inject() {
	node := memcachetest.NewServer()
	defer node.Close()
	client := dial(node)
	defer client.Close()
	ask(client, "set greeting 0 0 5\r\nhello\r\n", 1)

	node.Inject(memcachetest.CloseAt(22))
	io.WriteString(client, "get greeting\r\n")
	reply, err := io.ReadAll(client)
	fmt.Printf("%q %v\n", reply, err)

	node.Heal()
	again := dial(node)
	defer again.Close()
	ask(again, "get greeting\r\n", 3)
	// Output:
	// STORED
	// "VALUE greeting 0 5\r\nhe" <nil>
	// VALUE greeting 0 5
	// hello
	// END
}

// A client that waits 10 ms for a node that takes 50 ms.
func ExampleDelay() {
	node := memcachetest.NewServer(memcachetest.WithPipe())
	defer node.Close()
	node.Inject(memcachetest.Delay(50 * time.Millisecond))

	client := dial(node)
	defer client.Close()
	io.WriteString(client, "version\r\n")
	client.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := client.Read(make([]byte, 100))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	// Output: true
}

// A node dies and comes back empty at the same address.
func ExampleServer_Kill() {
	node := memcachetest.NewServer()
	defer node.Close()
	addr := node.Addr()

	node.Kill()
	_, err := net.Dial("tcp", addr)
	fmt.Println("killed:", err != nil)

	node.Start()
	client, err := net.Dial("tcp", addr)
	fmt.Println("started:", err == nil)
	client.Close()
	// Output:
	// killed: true
	// started: true
}

// One dialer for several nodes whose names, and so the placement of keys, are
// the same in each run.
func ExampleDialer() {
	a := memcachetest.NewServer(memcachetest.WithPipeAddr("cache-a:11211"))
	defer a.Close()
	b := memcachetest.NewServer(memcachetest.WithPipeAddr("cache-b:11211"), memcachetest.WithVersion("1.6.12"))
	defer b.Close()

	dial := memcachetest.Dialer(a, b)
	client, err := dial(context.Background(), "tcp", "cache-b:11211")
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ask(client, "version\r\n", 1)
	// Output: VERSION 1.6.12
}
