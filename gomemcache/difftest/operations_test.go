package difftest_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// operation is one call, made the same way at both clients.
type operation struct {
	name  string
	key   string // without the client's prefix
	whole bool   // key is sent as it is: a prefix would make it another bad key, or none
	keys  []string
	value []byte
	flags uint32
	exp   int32
	delta uint64
}

func (op operation) String() string {
	value := op.value
	if len(value) > 20 {
		value = value[:20]
	}
	return fmt.Sprintf("%s %.60q keys %q value %q (%d) flags %d exp %d delta %d",
		op.name, op.key, op.keys, value, len(op.value), op.flags, op.exp, op.delta)
}

// result is what a call returned.
type result struct {
	outcome string
	items   map[string]*item // by key without prefix; CasID apart
	number  uint64
}

// user is a client with what it remembers.
type user struct {
	client
	prefix string
	read   map[string]uint64 // the version it has read last, by key
}

func (u *user) full(op operation, key string) string {
	if op.whole {
		return key
	}
	return u.prefix + key
}

// do makes the call.
func (u *user) do(op operation) (r result) {
	key := u.full(op, op.key)
	it := &item{Key: key, Value: op.value, Flags: op.flags, Expiration: op.exp, CasID: u.read[op.key]}
	stores := map[string]func(*item) error{
		"Set": u.Set, "Add": u.Add, "Replace": u.Replace, "Append": u.Append, "Prepend": u.Prepend,
		"CompareAndSwap": u.CompareAndSwap,
	}
	var err error
	switch op.name {
	case "Get":
		it, err = u.Get(key)
		r.items = u.remember(it)
	case "GetAndTouch":
		it, err = u.GetAndTouch(key, op.exp)
		r.items = u.found(it) // gomemcache reads no version here
	case "GetMulti":
		var keys []string
		for _, key := range op.keys {
			keys = append(keys, u.full(op, key))
		}
		var found map[string]*item
		found, err = u.GetMulti(keys)
		for key, it := range found {
			if key != it.Key {
				panic("an item under another key")
			}
			if r.items == nil {
				r.items = map[string]*item{}
			}
			for key, it := range u.remember(it) {
				r.items[key] = it
			}
		}
	case "Increment":
		r.number, err = u.Increment(key, op.delta)
	case "Decrement":
		r.number, err = u.Decrement(key, op.delta)
	case "Delete":
		err = u.Delete(key)
	case "Touch":
		err = u.Touch(key, op.exp)
	default:
		err = stores[op.name](it)
	}
	r.outcome = u.outcome(err)
	return r
}

// found returns what can be compared of an item: versions differ, because each user writes to keys of its own.
func (u *user) found(it *item) map[string]*item {
	if it == nil {
		return nil
	}
	plain := *it
	plain.Key = strings.TrimPrefix(it.Key, u.prefix)
	plain.CasID = 0
	return map[string]*item{plain.Key: &plain}
}

func (u *user) remember(it *item) map[string]*item {
	found := u.found(it)
	for key := range found {
		u.read[key] = it.CasID
	}
	return found
}

// script makes operations up.
type script struct {
	*rand.Rand
	badKeys bool
}

var calls = []string{
	"Get", "Get", "Get", "GetMulti", "GetAndTouch", "Set", "Set", "Set", "Add", "Replace", "Append", "Prepend",
	"CompareAndSwap", "CompareAndSwap", "Increment", "Decrement", "Delete", "Touch",
}

// badKeys are those that gomemcache refuses as well; the empty one is in differences_test.go.
var badKeys = []string{
	"a b", "tab\t", "line\r\nflush_all\r\n", "nul\x00", "del\x7f", " ", strings.Repeat("k", 251), strings.Repeat("k", 300),
}

func (s script) operation() operation {
	op := operation{
		name: pick(s, calls...), key: s.key(), value: s.value(), flags: s.number32(), exp: s.exptime(), delta: s.delta(),
	}
	for range s.IntN(30) {
		op.keys = append(op.keys, s.key())
	}
	if op.name == "Append" || op.name == "Prepend" {
		op.value = append([]byte("."), op.value...) // no number becomes a larger one
	}
	if s.IntN(20) == 0 {
		op.value = tooLarge
	}
	if s.badKeys && s.IntN(40) == 0 {
		op.key, op.whole = pick(s, badKeys...), true
		op.keys = append(op.keys, op.key)
	}
	return op
}

// tooLarge is more than the server takes without -I.
var tooLarge = bytes.Repeat([]byte("v"), 2<<20)

// keyNames are few, so that operations meet; a long one and one with bytes above 0x7f are among them.
var keyNames = []string{
	"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "long" + strings.Repeat("x", 200), "schlüssel/\xff",
}

func (s script) key() string { return pick(s, keyNames...) }

// value is no number from 2^63 on, and none becomes one: to these memcached may answer that they are no numbers, if it
// finds a minus sign behind them, even in what another item has left there (util.c, safe_strtoull). The edges of numbers
// are in numbers_test.go.
func (s script) value() []byte {
	switch s.IntN(12) {
	case 0:
		return []byte{}
	case 1:
		return nil
	case 2:
		return []byte("END\r\nVALUE k1 0 1\r\nx\r\n")
	case 3:
		return bytes.Repeat([]byte("v"), s.IntN(40000))
	case 4:
		return []byte("+1")
	}
	return fmt.Append(nil, s.IntN(1200))
}

func (s script) number32() uint32 { return pick[uint32](s, 0, 0, 1, 1<<16, math.MaxUint32) }

func (s script) delta() uint64 { return pick[uint64](s, 0, 1, 1, 10, 999, 1<<40) }

// exptime is never so near that an item could expire between two calls.
func (s script) exptime() int32 {
	const month = 30 * 24 * 60 * 60
	return pick[int32](s, 0, 0, 0, 0, 1000, month-1, month, -1, math.MinInt32,
		month+1, 1_000_000_000, // Unix times that have passed
		int32(time.Now().Unix())+5000, math.MaxInt32)
}

func pick[T any](s script, list ...T) T { return list[s.IntN(len(list))] }
