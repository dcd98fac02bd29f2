package sflowrt

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	low     = 0.25             // part of the threshold below which a key cools down
	cooling = 30 * time.Second // until it is not hot any more
	maxKeys = 2048             // that are hot at once; more are not looked at
	maxName = 250              // bytes of a key of memcached
)

// verdict says which keys are above a threshold, with hysteresis. Its owner locks it.
type verdict struct {
	threshold float64
	keys      map[string]*judged
}

// judged is a key that passed the threshold.
type judged struct {
	key   string
	rate  float64
	since time.Time
	warm  time.Time // when it was last above the low mark
}

func newVerdict(threshold float64) verdict {
	return verdict{threshold, map[string]*judged{}}
}

// update takes the rates of now, and returns which keys have passed the threshold, and which have cooled down.
func (v *verdict) update(now time.Time, rates map[string]float64) (began, ended []judged) {
	for _, key := range slices.Sorted(maps.Keys(rates)) {
		if v.known(now, key, rates[key]) {
			began = append(began, *v.keys[key])
		}
	}
	for _, k := range v.list() {
		if _, there := rates[k.key]; !there {
			v.keys[k.key].rate = 0
		}
		if now.Sub(v.keys[k.key].warm) >= cooling {
			ended = append(ended, *v.keys[k.key])
			delete(v.keys, k.key)
		}
	}
	return began, ended
}

// resume says that nobody has looked for a while: no key has cooled down yet.
func (v *verdict) resume(now time.Time) {
	for _, k := range v.keys {
		k.warm = now
	}
}

// known notes a key's rate, and reports whether it has just passed the threshold.
func (v *verdict) known(now time.Time, key string, rate float64) (begins bool) {
	k := v.keys[key]
	if k == nil {
		if !(rate >= v.threshold) || len(v.keys) >= maxKeys || key == "" || len(key) > maxName {
			return false
		}
		k = &judged{key: key, since: now}
		v.keys[key] = k
		begins = true
	}
	k.rate = rate
	if rate >= v.threshold*low {
		k.warm = now
	}
	return begins
}

// list is what is above the threshold, highest rate first.
func (v *verdict) list() (list []judged) {
	for _, k := range v.keys {
		list = append(list, *k)
	}
	slices.SortFunc(list, func(a, b judged) int { return cmp.Or(cmp.Compare(b.rate, a.rate), cmp.Compare(a.key, b.key)) })
	return list
}
