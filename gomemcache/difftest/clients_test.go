// Package difftest_test answers: does the drop-in do what gomemcache does? It drives both against the same memcached and
// compares. It is a module of its own, so that the library does not depend on gomemcache.
package difftest_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	theirs "github.com/bradfitz/gomemcache/memcache"
	ours "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/internal/realnode"
)

// longTimeout is for tests in which nothing should time out, on a machine that may be busy.
const longTimeout = 5 * time.Second

// item has the fields of both packages' items.
type item struct {
	Key        string
	Value      []byte
	Flags      uint32
	Expiration int32
	CasID      uint64
}

// client is what the two have in common; the adapters below do nothing but convert items and name errors.
type client interface {
	Get(key string) (*item, error)
	GetMulti(keys []string) (map[string]*item, error)
	GetAndTouch(key string, expiration int32) (*item, error)
	Set(*item) error
	Add(*item) error
	Replace(*item) error
	Append(*item) error
	Prepend(*item) error
	CompareAndSwap(*item) error
	Increment(key string, delta uint64) (uint64, error)
	Decrement(key string, delta uint64) (uint64, error)
	Delete(key string) error
	DeleteAll() error
	FlushAll() error
	Touch(key string, seconds int32) error
	Ping() error
	Close() error

	// outcome names an error: by its sentinel if it is one of the package's, else by kind.
	outcome(error) string
}

type gomemcache struct{ *theirs.Client }

func newTheirs(t testing.TB, servers ...string) client {
	c := theirs.New(servers...)
	c.Timeout = longTimeout
	t.Cleanup(func() { c.Close() })
	return gomemcache{c}
}

func (g gomemcache) Get(key string) (*item, error) {
	it, err := g.Client.Get(key)
	return (*item)(it), err
}

func (g gomemcache) GetMulti(keys []string) (map[string]*item, error) {
	found, err := g.Client.GetMulti(keys)
	if found == nil {
		return nil, err
	}
	items := map[string]*item{}
	for key, it := range found {
		items[key] = (*item)(it)
	}
	return items, err
}

func (g gomemcache) GetAndTouch(key string, expiration int32) (*item, error) {
	it, err := g.Client.GetAndTouch(key, expiration)
	return (*item)(it), err
}

func (g gomemcache) Set(it *item) error     { return g.Client.Set((*theirs.Item)(it)) }
func (g gomemcache) Add(it *item) error     { return g.Client.Add((*theirs.Item)(it)) }
func (g gomemcache) Replace(it *item) error { return g.Client.Replace((*theirs.Item)(it)) }
func (g gomemcache) Append(it *item) error  { return g.Client.Append((*theirs.Item)(it)) }
func (g gomemcache) Prepend(it *item) error { return g.Client.Prepend((*theirs.Item)(it)) }
func (g gomemcache) CompareAndSwap(it *item) error {
	return g.Client.CompareAndSwap((*theirs.Item)(it))
}

func (gomemcache) outcome(err error) string {
	return outcome(err, map[string]error{
		"miss": theirs.ErrCacheMiss, "conflict": theirs.ErrCASConflict, "not stored": theirs.ErrNotStored,
		"malformed key": theirs.ErrMalformedKey, "no servers": theirs.ErrNoServers,
	})
}

type dropIn struct{ *ours.Client }

func newOurs(t testing.TB, servers ...string) client {
	c := ours.New(servers...)
	c.Timeout = longTimeout
	t.Cleanup(func() { c.Close() })
	return dropIn{c}
}

func (d dropIn) Get(key string) (*item, error) {
	it, err := d.Client.Get(key)
	return (*item)(it), err
}

func (d dropIn) GetMulti(keys []string) (map[string]*item, error) {
	found, err := d.Client.GetMulti(keys)
	if found == nil {
		return nil, err
	}
	items := map[string]*item{}
	for key, it := range found {
		items[key] = (*item)(it)
	}
	return items, err
}

func (d dropIn) GetAndTouch(key string, expiration int32) (*item, error) {
	it, err := d.Client.GetAndTouch(key, expiration)
	return (*item)(it), err
}

func (d dropIn) Set(it *item) error            { return d.Client.Set((*ours.Item)(it)) }
func (d dropIn) Add(it *item) error            { return d.Client.Add((*ours.Item)(it)) }
func (d dropIn) Replace(it *item) error        { return d.Client.Replace((*ours.Item)(it)) }
func (d dropIn) Append(it *item) error         { return d.Client.Append((*ours.Item)(it)) }
func (d dropIn) Prepend(it *item) error        { return d.Client.Prepend((*ours.Item)(it)) }
func (d dropIn) CompareAndSwap(it *item) error { return d.Client.CompareAndSwap((*ours.Item)(it)) }

func (dropIn) outcome(err error) string {
	return outcome(err, map[string]error{
		"miss": ours.ErrCacheMiss, "conflict": ours.ErrCASConflict, "not stored": ours.ErrNotStored,
		"malformed key": ours.ErrMalformedKey, "no servers": ours.ErrNoServers,
	})
}

func outcome(err error, sentinels map[string]error) string {
	if err == nil {
		return "ok"
	}
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			if err != sentinel {
				return name + ", wrapped" // code that compares with == must work too
			}
			return name
		}
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "failure"
}

// start runs n memcached for the length of the test.
func start(t testing.TB, n int, args ...string) (nodes []*realnode.Node, addrs []string) {
	for range n {
		node := realnode.Start(t, args...)
		nodes, addrs = append(nodes, node), append(addrs, node.Addr)
	}
	return nodes, addrs
}
