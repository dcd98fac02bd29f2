package rulestore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
)

// Reserved is how all keys of the library begin (pool.Reserved). No rule of a store is about them.
const Reserved = pool.Reserved

// Check returns a *hotkey.TableError for the first rule of t that is about a key of the library.
func Check(t *hotkey.Table) error {
	i := 0
	for r := range t.Rules() {
		if pool.IsReserved(r.Key) {
			return reserved(i, "key")
		}
		if pool.IsReserved(r.Prefix) {
			return reserved(i, "prefix")
		}
		i++
	}
	return nil
}

func reserved(rule int, field string) error {
	return &hotkey.TableError{
		Place: fmt.Sprintf("rules[%d].%s", rule, field),
		What:  "begins with " + Reserved + ", as the keys of the library do",
	}
}

// View returns what a Header calls the list of nodes with these names, in whatever order.
func View(nodes []string) string {
	sorted := slices.Sorted(slices.Values(nodes))
	return fmt.Sprintf("%016x", xxhash.Sum64String(strings.Join(sorted, "\n")))
}
