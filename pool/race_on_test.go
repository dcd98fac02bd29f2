//go:build race

package pool

// underRace: the race detector makes sync.Pool forget at random, so allocations cannot be counted.
const underRace = true
