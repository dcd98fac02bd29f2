package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nohop/memcache"
)

// traffic is an application that asks for one key every other time, and in between for products in turn.
type traffic struct {
	hot     string
	hotSize int // bytes of its value
	reads   int // of a round
}

const (
	products    = 500
	productSize = 8 << 10
)

func product(i int) string { return fmt.Sprintf("product:%d", i%products) }

// valueOf is the only right value of a key: the key again and again.
func valueOf(key string, size int) []byte {
	return bytes.Repeat([]byte(key), size/len(key)+1)[:size]
}

func (t traffic) store(ctx context.Context, c *memcache.Client) error {
	items := []*memcache.Item{{Key: t.hot, Value: valueOf(t.hot, t.hotSize)}}
	for i := range products {
		items = append(items, &memcache.Item{Key: product(i), Value: valueOf(product(i), productSize)})
	}
	return c.SetMulti(ctx, items)
}

// read makes a round of reads and checks what comes.
func (t traffic) read(ctx context.Context, c *memcache.Client) error {
	hot := valueOf(t.hot, t.hotSize)
	for i := range t.reads / 2 {
		if err := expect(ctx, c, t.hot, hot); err != nil {
			return err
		}
		if err := expect(ctx, c, product(i), valueOf(product(i), productSize)); err != nil {
			return err
		}
	}
	return nil
}

func expect(ctx context.Context, c *memcache.Client, key string, value []byte) error {
	item, err := c.Get(ctx, key)
	if err == nil && !bytes.Equal(item.Value, value) {
		return errors.New("a read brought a wrong value")
	}
	return err
}

// mistyped is a key that is asked for and never stored: what is stored is called "front-page".
const mistyped = "fornt-page"

// readInVain asks for the mistyped key, for pictures that no user has uploaded, and for products that are there.
func readInVain(ctx context.Context, c *memcache.Client) error {
	for i := range 100 {
		for _, key := range []string{mistyped, fmt.Sprintf("avatar:%d", i), product(i)} {
			if _, err := c.Get(ctx, key); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
				return err
			}
		}
	}
	return nil
}
