package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache"
)

// keys are what the application caches.
var keys = namedKeys("user", 300)

func namedKeys(kind string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s:%d", kind, i)
	}
	return list
}

// valueOf is the only right value of a key, so that every read can be checked.
func valueOf(key string) string { return "value of " + key }

func writeOne(ctx context.Context, c *memcache.Client, key string) error {
	return c.Set(ctx, &memcache.Item{Key: key, Value: []byte(valueOf(key)), TTL: time.Hour})
}

func writeAll(ctx context.Context, c *memcache.Client, keys []string) error {
	for _, key := range keys {
		if err := writeOne(ctx, c, key); err != nil {
			return err
		}
	}
	return nil
}

var errWrongValue = errors.New("wrong value")

func readOne(ctx context.Context, c *memcache.Client, key string) error {
	item, err := c.Get(ctx, key)
	if err != nil {
		return err
	}
	if string(item.Value) != valueOf(key) {
		return errWrongValue
	}
	return nil
}

const (
	readers    = 4
	readPause  = time.Millisecond     // between two reads of one reader
	writePause = 4 * time.Millisecond // between two writes: all keys in 1.2 s
)

// load is an application at work: readers, and a writer that rewrites all keys in turn.
type load struct {
	client *memcache.Client
	done   chan struct{}
	wg     sync.WaitGroup

	hits, misses, failed atomic.Int64
	written              writes // by the writer; read it after stop
}

func startLoad(ctx context.Context, c *memcache.Client) *load {
	l := &load{client: c, done: make(chan struct{})}
	for i := range readers {
		l.wg.Go(func() { l.repeat(readPause, i*len(keys)/readers, func(key string) { l.read(ctx, key) }) })
	}
	l.wg.Go(func() {
		l.repeat(writePause, 0, func(key string) { l.written.count(writeOne(ctx, c, key)) })
	})
	return l
}

// stop returns when the last operation has ended.
func (l *load) stop() {
	close(l.done)
	l.wg.Wait()
}

// repeat does something with one key after the other, from that index on.
func (l *load) repeat(pause time.Duration, from int, do func(key string)) {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for i := from; ; i++ {
		select {
		case <-l.done:
			return
		case <-pace.C:
			do(keys[i%len(keys)])
		}
	}
}

func (l *load) read(ctx context.Context, key string) {
	switch err := readOne(ctx, l.client, key); {
	case err == nil:
		l.hits.Add(1)
	case errors.Is(err, memcache.ErrCacheMiss):
		l.misses.Add(1)
	default:
		l.failed.Add(1)
	}
}

// writes is what became of the writer's writes.
type writes struct{ done, failed int }

func (w *writes) count(err error) {
	if err != nil {
		w.failed++
		return
	}
	w.done++
}
