//go:build race

package memcache_test

const raceDetector = true
