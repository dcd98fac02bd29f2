// Package placement answers: which node of a list holds a key, as clients and proxies in other languages decide it?
//
// A fleet that shares its nodes with a PHP application, a twemproxy or an mcrouter must look for a key where they put it.
// Each constructor here takes the list of nodes as the other side has it and returns a Func, from a key to an index of
// that list. Nothing here opens a connection.
//
// Where nobody else decides, choose package route's Slots: it moves as little as Rendezvous, at the cost of Jump.
//
//	system            configured as                              here
//	gomemcache        (always)                                   CRC32
//	libmemcached      (default; PHP's Memcached, pylibmc)        Modulo with OneAtATime
//	  and what is     KETAMA_WEIGHTED, OPT_LIBKETAMA_COMPATIBLE  Ketama with MD5
//	  built on it     KETAMA, DISTRIBUTION_CONSISTENT            KetamaUnweighted with OneAtATime
//	                  the same and a weight above 1              Ketama with OneAtATime
//	twemproxy         distribution: ketama (default)             Ketama with FNV1a64, or MD5 if hash: md5
//	                  distribution: modula                       TwemproxyModula
//	                  hash_tag: "{}"                             InsideTag
//	mcrouter          PoolRoute, HashRoute, "Ch3" (default)      Ch3
//	                  "WeightedCh3"                              WeightedCh3
//	                  "Crc32"                                    McrouterCRC32
//	                  "ConstShard"                               ConstShard
//	                  "Rendezvous"                               NewRendezvous
//	                  "WeightedRendezvous"                       NewWeightedRendezvous
//	                  "salt"                                     Salted around any of these
//	                  "|#|" in a key                             BeforeHashStop
//	                  key_fraction_range, migration times        Fraction, SampleHash
//	memcached proxy   (default); dist_ring_hash                  package proxy
//
// What moves when the list changes, of n nodes:
//
//	                                     a node is added           a node is removed
//	CRC32, McrouterCRC32, Modulo,        nearly all keys           nearly all keys
//	TwemproxyModula
//	Jump, Ch3, WeightedCh3               at the end: 1/(n+1),      the last: its keys;
//	                                     to it; else most keys     another: most keys
//	ConstShard                           as Ch3, and shard ids     as Ch3, and shard ids
//	                                     that now have a node      that have none any more
//	Ketama, KetamaUnweighted,            about 1/(n+1), to it      its keys, to all others
//	proxy.Ring
//	Rendezvous, also weighted            its share, to it          its keys, to all others
//
// The functions down to ConstShard go by position: another order of the list moves most keys. TwemproxyModula, the rings
// and Rendezvous go by names: the order does not matter, and a name has to be the very same text as on the other side.
package placement
