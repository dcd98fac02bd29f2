package rulestore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/nohop/memcache/hotkey"
)

// Reserved is how all keys of the library begin. No rule of a store is about them.
const Reserved = "~"

// Check returns a *hotkey.TableError for the first rule of t that is about a key of the library.
func Check(t *hotkey.Table) error {
	i := 0
	for r := range t.Rules() {
		if strings.HasPrefix(r.Key, Reserved) {
			return reserved(i, "key")
		}
		if strings.HasPrefix(r.Prefix, Reserved) {
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
