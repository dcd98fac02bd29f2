package memcacheotel

import (
	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
)

// figure is one number of T, observed when metrics are read.
type figure[T any] struct {
	name, unit, what string
	kind             figureKind
	value            func(*T) int64
}

// figureKind says what a figure counts.
type figureKind uint8

const (
	gauge   figureKind = iota // as it is now
	counter                   // since the client's start
)

var nodeFigures = []figure[pool.Stats]{
	{"memcache.client.node.ejected", "1", "1 if requests to the node fail at once.", gauge, func(s *pool.Stats) int64 { return oneIf(s.Ejected) }},
	{"memcache.client.node.slow", "1", "1 if the node is so much slower than the others that it is read last.", gauge, func(s *pool.Stats) int64 { return oneIf(s.Slow) }},
	{"memcache.client.node.connections", "{connection}", "Live connections to the node.", gauge, func(s *pool.Stats) int64 { return int64(s.Conns) }},
	{"memcache.client.node.missed", "{key}", "Keys that the node has missed writes of and that are not read there.", gauge, func(s *pool.Stats) int64 { return int64(s.Missed) }},
	{"memcache.client.node.ejections", "{ejection}", "Times that the node was silent for so long that its callers failed at once.", counter, func(s *pool.Stats) int64 { return int64(s.Suspected) }},
}

var clientFigures = []figure[memcache.Stats]{
	{"memcache.client.copies.keys", "{key}", "Hot keys that the process knows versions of.", gauge, func(s *memcache.Stats) int64 { return int64(s.Copies.Entries) }},
	{"memcache.client.copies.size", "By", "Bytes that these keys take, with the values that are kept.", gauge, func(s *memcache.Stats) int64 { return int64(s.Copies.Bytes) }},
	{"memcache.client.copies.checks", "{request}", "Times that a home was asked whether a hot key has changed.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Checks) }},
	{"memcache.client.copies.kept", "{key}", "Reads answered by a value kept in the process.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Kept) }},
	{"memcache.client.copies.spread", "{key}", "Reads answered by a copy on another node.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Copied) }},
	{"memcache.client.copies.saved", "By", "Bytes of values that homes did not have to send.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Saved) }},
	{"memcache.client.copies.fallbacks", "{key}", "Reads for which a copy was sought and that went home after all.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Fallbacks) }},
	{"memcache.client.denied", "{key}", "Requests refused by a rule.", counter, func(s *memcache.Stats) int64 { return int64(s.Copies.Denied) }},
	{"memcache.client.verified.sets", "{set}", "Sets of several replicas that were looked at again.", counter, func(s *memcache.Stats) int64 { return int64(s.Verified.Verified) }},
	{"memcache.client.verified.splits", "{set}", "Verified sets whose replicas had come to differ.", counter, func(s *memcache.Stats) int64 { return int64(s.Verified.Splits) }},
	{"memcache.client.verified.removed", "{copy}", "Copies removed because they differed.", counter, func(s *memcache.Stats) int64 { return int64(s.Verified.Removed) }},
	{"memcache.client.verified.unknown", "{copy}", "Copies that could not be looked at, and are deleted.", counter, func(s *memcache.Stats) int64 { return int64(s.Verified.Unknown) }},
	{"memcache.client.verified.skipped", "{set}", "Sets whose copies cannot be told from others, and may differ.", counter, func(s *memcache.Stats) int64 { return int64(s.Verified.Skipped) }},
	{"memcache.client.verified.queued", "{set}", "Sets that wait to be verified.", gauge, func(s *memcache.Stats) int64 { return int64(s.Verified.Queued) }},
}

func oneIf(holds bool) int64 {
	if holds {
		return 1
	}
	return 0
}
