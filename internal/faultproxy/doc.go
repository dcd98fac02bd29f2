// Package faultproxy answers: how does a test put a bad network between a client and a real memcached?
//
// A Proxy listens on loopback and carries bytes to a node and back:
//
//	p, err := faultproxy.Start(node.Addr, seed)
//	defer p.Close()
//	client := dial(p.Addr())
//	p.Set(faultproxy.Faults{ToClient: faultproxy.Link{Delay: 20 * time.Millisecond, Chunk: 1}})
//	p.Heal()
//	p.HalfOpen() // the node has forgotten the connections, the client does not know
//	p.Bury()     // until now
//
// Faults is a value: what is wrong from now on, for open connections and new ones; the zero value is a good network. Kinds
// has the single faults by name, and Plan and Play a schedule that a seed decides.
//
// # The way of a byte
//
// Each connection has two directions, and each direction two goroutines: one reads, cuts what the node says into whole
// replies and changes them (rewrite.go), and queues them with the time when they are due; the other waits for that time
// and writes, as slowly and in as small pieces as the link allows (pump.go). Set wakes whoever waits.
//
// Replies therefore pass whole even where no fault is on. What the proxy does not do: lose or reorder single bytes, which
// TCP repairs. Use memcachetest where the server itself shall misbehave, and netlab where packets shall vanish.
package faultproxy
