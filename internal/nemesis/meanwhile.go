package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/nohop/memcache/internal/history"
)

// before is how long before a violation's first record a fault may matter.
const before = history.Time(2 * time.Second)

// meanwhile tells, in lines, what was done to the nodes while v came about.
func meanwhile(v *history.Violation, events []history.Event) string {
	first, last := history.Never, history.Time(0)
	for _, e := range v.Evidence {
		switch e := e.(type) {
		case *history.Op:
			first, last = min(first, e.Call), max(last, e.Call)
		case *history.Dump:
			first, last = min(first, e.At), max(last, e.At)
		}
	}
	var text strings.Builder
	for i := range events {
		if e := &events[i]; e.Kind != history.Heal && e.Kind != history.Break && e.End >= first-before && e.Start <= last {
			fmt.Fprintf(&text, "\n      meanwhile %v", e)
		}
	}
	return text.String()
}
