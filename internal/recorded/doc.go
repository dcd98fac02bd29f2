// Package recorded answers: how does a test write down what a memcache.Client does, for package history to check?
//
//	cache, err := memcache.New(memcache.WithObserver(recorded.Nodes{}), memcache.WithWritePolicy(memcache.RequireAll), …)
//	c := &recorded.Client{ID: 1, Cache: cache, Log: log}
//	c.Set(ctx, "k", 100)
//	c.Get(ctx, "k")
//
// RequireAll does the same as Available, and tells what it did.
package recorded
