// Package memcache is a memcached client that talks straight to the nodes: what mcrouter, twemproxy or the memcached proxy
// do in a process of their own, it does inside the application's.
//
//	client, err := memcache.New(memcache.WithServers("10.0.0.1:11211", "10.0.0.2:11211"))
//	if err != nil { … }
//	defer client.Close()
//	err = client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello"), TTL: time.Hour})
//	item, err := client.Get(ctx, "greeting") // memcache.ErrCacheMiss if it is not there
//
// A Client is safe for concurrent use: make one and share it. A call that goes to the nodes takes a context, and ends when
// that does; each try at a node is bounded besides (WithTimeout: 100 ms).
//
// # Calls
//
//	Get, AppendGet, GetAndTouch, GetForUpdate   read one key
//	GetMulti, GetSeq                            read many
//	Set, Delete, Touch, Invalidate              write one
//	SetMulti, DeleteMulti                       write many
//	Add, Replace, Append, Prepend,
//	Increment, Decrement, CompareAndSwap        write by what is there
//	GetOrLoad, Load                             read, or have one caller in the fleet load it
//	Explain, Topology, Stats, Events, Rules,
//	McrouterConfig                              what would happen, what is, and what has happened: nothing is sent
//	TopKeys, MissedKeys, MissedTemplates,
//	HotKeyReport, HotKeyEvents                  which keys are hot, or looked for in vain: nothing is sent
//	UpdateRules                                 change the rules about keys (WithRuleStore, WithSharedRules)
//	Ping, Version, ServerStats, FlushAll        all nodes
//	Warmup, Shutdown, Close                     beginning and end
//
// # Topologies
//
// Where keys live is one option:
//
//   - Sharded (the default, WithSharded): each key has a home node, found by rendezvous hashing, and with
//     WithSharded(r) r-1 more. Reads ask the home and fail over to the others; what the home misses is asked of the
//     next one too.
//   - Replicated (WithReplicated): every node holds every key, as with one memcached on each Kubernetes node. Reads ask
//     the local node and fail over to its neighbours, the own zone's first; writes reach all nodes at once.
//   - Zoned (WithZone, WithZoned): every zone holds every key once. Reads ask the own zone first; writes reach all zones.
//
// A lookup rule (WithRule) overrides placement for one key. All three are the same short tree over package route's handles,
// and differ in the placement p alone:
//
//	by operation
//	  get                          SlowLast(p): Failover, with slow replicas at the end
//	  set, delete, touch           Available(AllSync(p)), or Available(Verified(p, v)) where nodes come and go
//	  add, incr, cas and the like  Available(AtHome(p))
//	  get-and-touch                GetAndTouch(that of touch, SlowLast(p)), or Hash(p) where each key has one replica
//
// With WithWritePolicy(RequireAll) there is no Available, and WithCoherentReplicas has another tree (route.Coherent). Explain
// prints it for a key. WithRoute takes any other tree, and WithMcrouterConfig a configuration file of mcrouter's.
//
// # Writes
//
// Set, Delete and Touch go to every replica at once. They succeed if one replica has acknowledged them; those that have not
// are not read for the key until they have deleted it (WithWritePolicy; with RequireAll such a write is an ErrPartialWrite,
// and its *WriteError says what became of each replica). Add, Replace, Append, Prepend, Increment, Decrement and CompareAndSwap depend on
// what is there, so they take effect at the key's home and then clear the other replicas, whose next read asks the home.
//
// # Errors
//
// Outcomes that callers branch on are sentinels: ErrCacheMiss, ErrNotStored, ErrCASConflict. Everything else is an
// *OpError with the node, the command and whether the request was not sent, may have been done, or was refused; or a
// *WriteError or *MultiError with one of those for each node. errors.Is finds the cause: ErrTimeout, ErrNodeDown,
// context.DeadlineExceeded. No error text contains a key.
//
// # Keys and values
//
// A key is 1 to 250 bytes without spaces and control bytes, and does not begin with "~", which is for keys of the library
// (ErrReservedKey, which matches ErrMalformedKey). WithNamespace puts a prefix before each; WithLongKeys and
// WithBinaryKeys take keys that are longer, or have other bytes. Explain says what travels.
//
// A value is bytes. The functions Get, Set and Load have values of any type, by a Codec: JSON, Gob, Raw or one of your own.
// WithCompression compresses long values, by Deflate, Gzip, contrib/zstd or a Compressor of your own. What was done to a
// value is marked in the highest 8 bits of its client flags, and only by those who use these; the other 24 bits of Item.Flags
// are the application's always.
//
// GetMulti, SetMulti and DeleteMulti take many keys at once; GetSeq reads any number of them, batch by batch.
//
// # Loading what is not there
//
// Load returns a value from the cache or has it loaded, encoded and stored; GetOrLoad does so with items:
//
//	user, err := memcache.Load(ctx, client, "user:7", memcache.JSON[User]{}, time.Hour, userFromDatabase)
//
// Of all processes that miss a key one loads it, under a lease, and a value whose load began before a Delete of the key is
// never stored: change the database, then Delete. Invalidate lets the old value be used while one caller loads the new one.
//
// # Who is local
//
// Reads begin at the local node, or in the local zone, where it holds the key. In this order it is decided by
//
//  1. WithLocal and WithLocalEnv: with these, only 6 comes after;
//  2. the environment variable HOST_IP, if one node is there;
//  3. a unix socket, if one node is on one;
//  4. an address of this host, if one node is there;
//  5. the zone of the nodes that 2 to 4 have found, if they are all in one: several nodes on this host are as near as
//     each other;
//  6. the lowest round trip, with WithNearest.
//
// Explain says which of them it was. A node that is not in the view is not local yet; when it joins it is.
//
// # Nodes that come and go
//
// Nodes are given as addresses, or found: by a DNS name, SRV records, a file, an ElastiCache cluster (WithServers says how
// each is written), or by any source of package discovery (WithDiscovery). A node is known by its name, which is its
// address unless the source has a better one. When the list changes, the next view replaces the last as a whole:
// nodes that stay keep their connections, requests under way at those that left are finished. A source in trouble changes
// nothing: the last good list stays, the logger is told (WithLogger), and Stats().Discovery has the error and the age.
//
// Processes learn of a change at different moments, at most D apart (WithPropagation: three times the interval at which the
// source is asked, a day at most; 0, and nothing of what follows, where all nodes are known from the start). So that nobody
// reads what another has overwritten elsewhere, a node comes and goes in steps, each of which lasts for D and some seconds:
//
//   - A node that joins, or has restarted, is only deleted at in its first step. All processes go by a mark on the node
//     itself (the key "~m"), also one that starts meanwhile. A fleet that is new as a whole misses for that long, some 6 s
//     where names are looked up each second: a Set succeeds and stores nothing, and what depends on an item, like Add,
//     fails with ErrNodeDown. Tests with nodes of their own give WithPropagation(0).
//   - A node that leaves the list is deleted at until nobody can read it any more.
//   - A node that comes back with what it held when it left is flushed before it is read.
//
// Sharded and zoned, a node that joins takes keys from others, and one that leaves gives them away. Their keys move
// with what they hold: the new home is filled from the old one as keys are asked for, under a lease, for WithWarmUp after a
// join (a minute) and for one step of a leave, if the node that leaves still answers; a node that is gone is passed over at
// once. Add, Increment and all that depends on the item find it. Meanwhile such a key has one replica, its home, and a write
// of it takes three exchanges; all other keys are not concerned. Growing a fleet from three nodes to four and shrinking
// it again under load costs no stale read and one miss in ten thousand reads (go test -v ./internal/reshard, which does
// the same without the steps, too). What nobody asks for while it moves stays behind, so each write of a key also deletes
// at nodes that had it before: for ever, or as long as WithMaxTTL says that anything can live.
//
// Replicated, or with several replicas, a Set is looked at again within 50 ms, and removed where two processes have set the
// key at once and left the replicas different. That doubles the requests to replicas, off the caller's path, so it is done
// only where D is not 0: a fixed list has it with WithPropagation.
//
// What is not covered: views that are further apart than D; a process that starts within D after a node has left the list
// while the node still answers, for it does not know of the node and others still read there; and a node that some
// processes reach and others do not (WithWritePolicy).
//
// Explain and Stats show the step that a node is at. In a tree of WithRoute nodes join in the same way, and the routes of
// package route know what to do with them; one that has left is not in the tree any more and so is not deleted at, and
// keys move and Sets are verified where the tree has route.Walk and route.Verified. For WithMcrouterConfig the
// same holds if D is set; the default there is 0, as mcrouter has it.
//
// # Hot and missed keys
//
// The client looks at its own traffic for keys that cost their node too much, and for keys that are read again and again and
// are never there: TopKeys, MissedKeys, MissedTemplates, and HotKeyEvents as they come and go (package hotkey says how they are
// found, and WithHotKeys from when they count). WithHotKeySource adds what others see: the nodes' own logs, an sFlow analyzer.
//
// A hot key is relieved by itself: the process keeps its value and asks the key's home, in some twenty bytes, whether it is
// still the same. A value too large for that is read from copies on several nodes, where keys have one replica and nodes
// are discovered or an option asks for it (WithHotKeyPolicy, WithKeyRules, a rule store). What is read is never older than
// without (package hotcopy says why), and it ends when the key is no longer hot. Where there is no rule, requests do not
// meet any of this. WithKeyRules, WithRuleStore and WithSharedRules say what is to be done about a key or a family of keys;
// Rules shows what applies, and Explain what of it for a key.
//
// # Pins
//
// A pin is a rule that moves one key's home to another node (hotkey.Pin), for a key that is written too often for copies to
// help. With WithSharedRules the fleet chooses pins by itself; WithRuleStore has those that people make. Processes see a
// change of the rules at different moments, so a pin comes and goes by the steps of a node that joins or leaves, for that
// one key: deleted at the new home too; stored there, and filled from the old one; deleted at the old one; and back the
// same way. D is that of the nodes, but at least three times the store's interval, eight times WithTimeout, and 800 ms, so
// it is known for fixed servers as well. Where the code differs from that of nodes:
//
//   - The second step lasts no longer than the others, whatever WithWarmUp says: each process reads the key once when it
//     begins, so that it moves also if nobody else asks for it.
//   - A pin's node is not empty, and the old home must not be told of each write for ever after, or the pin would not relieve
//     it. So each process deletes what is left where nobody stores the key: at the new home before, at the old one while the
//     pin serves, at the new one after.
//   - A pin does not turn back half-way. One that is taken out while it comes goes when it has come; a key that is to be
//     pinned to another node first goes back to its home.
//   - Where the node of a pin joins, leaves or restarts, the node's own steps count.
//
// A process that starts waits for the store's first answer, for two seconds at most. It does not know how far the others
// are with a pin that it finds: it begins with a step that is safe beside all that they may be at. For a pin that is older than
// a minute and D this is the third one, in which reads and writes find each other. For a younger one, and while one ends, there is none,
// and this process stores the key nowhere: it misses, its Sets delete, Increment fails with ErrNodeDown, for one step of a
// young pin and for eight where one ends. A process that is a step behind another may miss an item that the other has moved.
//
// What is not covered: a process that cannot reach the store for longer than D while pins change, or that starts while the
// store does not answer; and a pin that is cut out of a file without having ended (package rulestore). Pins of WithRule and
// WithKeyRules are there from the start and have no steps. In the zoned and replicated topologies there are no others.
//
// # What goes on
//
// Stats has each node's state, latencies, hits and misses; Events the last things that have happened to nodes and view; an
// Observer is told of both, and of each call. Package inspect shows them on a page, contrib/prometheus and contrib/otel hand
// them on.
//
// # Beginning and end
//
// New dials no node; Warmup connects to all, and says which do not answer. Shutdown lets what is under way finish and refuses
// what is new, Close ends everything at once.
//
// # The life of a Get
//
//  1. Client.Get fills a pooled op, with the key as it travels, and hashes that once (memcache.go).
//  2. The current view, one atomic pointer, holds the nodes and the tree of routes built for them (view.go).
//  3. The tree sends the op by its command to a route, Failover for a read; a placement says which replicas hold the key
//     (package route).
//  4. The node queues the request on a connection that many goroutines share; one of them writes for all, one reads for
//     all (package pool).
//  5. The reply comes back in the op; Client.Get makes an Item of it.
//
// # Other packages
//
//	route          trees of your own, and what mcrouter's configuration files become
//	placement      where other clients and proxies keep a key
//	discovery      sources of nodes; contrib/kubernetes has one more
//	hotkey         how hot keys are found, and what rules can say; hotcopy and rulestore do it
//	sflow          operations as sFlow v5; hotkey/fetchers and hotkey/sflowrt are sources for WithHotKeySource
//	gomemcache     this library with gomemcache's API
//	memcachetest   a memcached for your tests, with faults
//	inspect        a page that shows what a client does; contrib/otel and contrib/prometheus hand it on
//	contrib/zstd   Zstandard for WithCompression
//	pool, protocol connections to one node, and bytes
package memcache
