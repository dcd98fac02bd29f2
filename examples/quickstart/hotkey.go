package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache"
)

const (
	hotKey    = "front-page"
	pageReads = 2000 // half of them of the hot key
	pageSize  = 8 << 10
)

var productKeys = namedKeys("product", 600)

// hotKeyIsRelieved shows what one hot key does to its home, and that the client finds and relieves it by itself.
func (s *stage) hotKeyIsRelieved(ctx context.Context) error {
	s.act("One hot key, found and relieved")
	s.text("Now each key lives on one node: sharded, pages of 8 KiB. Half of all reads",
		fmt.Sprintf("ask for %q. What the nodes send, in KiB, without remedies:", hotKey))
	before, err := s.pageTraffic(ctx, memcache.WithoutRemedies())
	if err != nil {
		return err
	}
	if 2*slices.Max(before) <= sum(before) {
		return fmt.Errorf("the home of the hot key sent only %d of %d KiB", slices.Max(before), sum(before))
	}
	s.holds("its home sends more than half of all")
	s.text("", "The same with a client as it is by default:")
	after, err := s.pageTraffic(ctx)
	if err != nil {
		return err
	}
	if 3*slices.Max(after)*len(after) > 4*sum(after) {
		return fmt.Errorf("the nodes sent %v KiB with the hot key relieved", after)
	}
	s.holds("every page was read as it is at its home; the busiest node sent %d KiB", slices.Max(after))
	s.text(fmt.Sprintf("   where it had sent %d, and nobody had to do anything", slices.Max(before)))
	return nil
}

// pageTraffic has an application read until what it does about hot keys is in force, and draws what the nodes send then.
func (s *stage) pageTraffic(ctx context.Context, opts ...memcache.Option) (sent []int, err error) {
	app, err := memcache.New(append(opts, memcache.WithServers(s.nodes.addrs()...), memcache.WithTimeout(patience))...)
	if err != nil {
		return nil, err
	}
	defer app.Close()
	for _, key := range append([]string{hotKey}, productKeys...) {
		if err := app.Set(ctx, &memcache.Item{Key: key, Value: []byte(pageOf(key)), TTL: time.Hour}); err != nil {
			return nil, err
		}
	}
	for began := time.Now(); len(opts) == 0 && app.Rules().Len() == 0; {
		if time.Since(began) > 5*time.Second {
			return nil, fmt.Errorf("the hot key was not found in 5 s: %v", app.TopKeys(3))
		}
		if err := readPages(ctx, app); err != nil {
			return nil, err
		}
	}
	if len(opts) == 0 {
		s.found(app)
	}
	before := s.nodes.sent()
	if err := readPages(ctx, app); err != nil {
		return nil, err
	}
	for i, total := range s.nodes.sent() {
		sent = append(sent, (total-before[i])>>10)
	}
	s.bars(sent)
	return sent, nil
}

// found says what the client has found and what it does.
func (s *stage) found(app *memcache.Client) {
	for _, key := range app.HotKeyReport(1).Keys {
		s.event("%q takes %.0f %% of the traffic; remedy: %s", key.Key, 100*key.Share, key.Remedy)
	}
}

// readPages reads the hot key and another one in turn.
func readPages(ctx context.Context, app *memcache.Client) error {
	for i := range pageReads / 2 {
		for _, key := range []string{hotKey, productKeys[i%len(productKeys)]} {
			item, err := app.Get(ctx, key)
			if err != nil {
				return err
			}
			if string(item.Value) != pageOf(key) {
				return errWrongValue
			}
		}
	}
	return nil
}

// pageOf is the only right page of a key.
func pageOf(key string) string {
	return strings.Repeat(valueOf(key)+"\n", pageSize/len(valueOf(key)))
}
