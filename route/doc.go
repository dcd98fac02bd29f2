// Package route answers: which nodes serve this request, in what order, and what do their replies mean together?
//
// A Route is one method over a batch of ops; a single get is a batch of one. *pool.Node is the route at the end of every
// tree. The others are small values that hold their children; a tree of them is what the client runs (Explain prints it).
//
// # Who holds a key
//
// A Placement says which routes hold a key, home first: Fixed for a list, Slots for rendezvous hashing, Walk for the same
// over nodes that come and go, Zones for one home in each zone, Positions for the functions of package placement, which other clients and proxies place keys by, Rules to
// override another placement for single keys. What depends on the item that is there (add, append, increment,
// compare-and-swap and so on: OperationOf) takes effect at the home alone, whatever the route: AtHome does it and then
// clears the other replicas. A replica that is joining or leaving is written to by deletes and read by nobody; the home of
// a key is the first of its replicas that is not (joining.go).
//
// # When nodes come and go
//
// Where every node holds every key, one that joins or leaves is passed over, as said. Where a key has one home, the home
// moves, and then it is not enough that each process passes over the same nodes in the end: one that already writes
// at the new home must not meet one that still reads the old. So Walk has a node come and go in steps (pool.Step), of which
// no two processes are more than one apart, and gives a key whose nodes are not all serving a Moving, which follows a plan
// (walkplan.go): writes reach the old home and the new one, in an order that was checked with every schedule of a few
// readers and writers; reads ask the home, which is filled from the old one under a lease (leasedfill.go). What stays behind
// at nodes that had the key before is deleted with each write (former.go); and where one of them misses a write, what is filled
// from it is not believed (movinglate.go).
//
// # The routes
//
//   - to one child: Hash, HostID, Random, LoadBalancer, Latest;
//   - chosen by what the request is: ByOperation, ByGroup, ByPrefix, ByRoutingPrefix, ByShard, ByKeyPart;
//   - one after the other: Failover along a placement, FailoverList along a list with its own errors, order and limits,
//     FailoverWithExptime, MissFailover, ZoneFailover, AskHome; Hedged asks a second one when the first is slow;
//   - to all: AllSync waits for all, AllMajority for most, AllFastest for the first good one, AllInitial for the first in
//     the list, AllAsync for none. What replies mean together is one table (combine.go). Available takes a partial write
//     for a success; Verified looks afterwards whether two processes have set a key at once (verify.go);
//   - between tiers: WarmUp, SlowWarmUp, Migrate, Staging, L1L2, L1L2SizeSplit, Shadow;
//   - changing requests: ModifyKey, ModifyExptime, KeySplit, GetAndTouch;
//   - limits and ends: RateLimit, OutstandingLimit, Null, Error, Logging, Latency.
//
// ParseConfig builds such a tree from a configuration of mcrouter's.
//
// # How they work
//
// Where several children work at once, they go through one helper (fanout.go): it starts all nodes first and only
// then waits, so that nodes need no goroutine unless each gets many ops. A route that waits for only some of them leaves
// the rest to a Background, on copies. Routes that move on from failures sort them into kinds (FailureOf).
//
// Routes are immutable and safe for concurrent use. A change of nodes builds a new tree; requests under way finish on the
// old one.
//
// # What mcrouter has and this has not
//
//	AsynclogRoute                   failed deletes are kept by the nodes' journals and repaired, without a spool on disk
//	AxonLogRoute                    it writes to a service of Facebook
//	BigValueRoute                   it cuts values into chunks that other clients cannot read; raise the servers' -I instead
//	BlackholeRoute                  its field policies are of Facebook's services; NullRoute swallows what a selector sends it
//	CarbonLookasideRoute            it caches replies of Facebook's RPC
//	ClientCompatibilityCheckerRoute there is no client of another version in between
//	CustomJsonmRoute                it belongs to Facebook's maps of shards
//	DistributionRoute               it replicates through Facebook's log service
//	EagerShardSelectionRoute        its maps come from Facebook's shard service; in Go, see ByShard
//	EagerShardSelectionShadowRoute  it takes Facebook's maps of shards
//	HashStopAllowListRoute          the hash stop is honoured in all keys
//	McBucketRoute                   its key spaces are of Facebook's services
//	OriginalClientHashRoute         there are no clients behind this process: it is the client
//	PrefixSelectorRoute             it stands at the top only: as "route", or as one of "routes"
//	ProxyRoute                      it is made by itself
//	RootRoute                       it is made of "routes"
//	SRRoute                         it asks Facebook's service discovery
//	SetDistributionTargetRoute      it writes to a service of Facebook
//	ShardSelectionRoute             its maps come from Facebook's shard service; in Go, see ByShard
//	ShardSplitRoute                 it changes shard numbers as Facebook's shard service does; in Go, see KeySplit and ByShard
//	SlowWarmUpRoute                 in mcrouter it is the option "slow_warmup" of PoolRoute, and so it is here
//
// Leases of the meta protocol (the client's GetOrLoad) stand for its lease-get and lease-set, and a meta get that tells the
// time left for its metaget.
package route
