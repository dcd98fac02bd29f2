// Package fetchers answers: what do all clients of a memcached node, ours or not, do to its keys?
//
// A Watcher has memcached report its own log by "watch fetchers mutations" (memcached's protocol.txt, "Watchers") and feeds
// a sampler of package hotkey with it:
//
//	detector, err := hotkey.New(hotkey.Options{})
//	watcher, err := fetchers.New("10.0.0.7:11211", detector.NewSampler(), fetchers.Options{})
//	go watcher.Run(ctx)
//	go detector.Run(ctx)
//
// It is for eyes that know nothing of the clients, such as cmd/mctop, and for what foreign clients do. A detector that is
// fed with a client's own ops as well must not see them twice: Options.Ours says which connections are the client's.
//
// A Source does all that for a client, with all of its nodes:
//
//	source, err := fetchers.NewSource(fetchers.Options{})
//	client, err := memcache.New(…, memcache.WithHotKeySource(source))
//
// Behind an address translation a client does not know by which address the node sees it, and counts its own ops twice.
//
// # What a node tells
//
// Every look at an item is a line: key, found or not, size. Stores are lines, too; the look that a store does itself, just
// before it, is taken out. Arithmetic, touches and deletes only look, so they count as reads. memcached 1.6.18 and newer
// are understood; what a newer one adds to a line is ignored.
//
// The log costs the node about 85 bytes of network per op and watcher, as much as a small value: let few processes watch. It
// never waits for its watchers: one that falls behind by 256 KiB misses lines, and is told how many; see Status.Skipped.
package fetchers
