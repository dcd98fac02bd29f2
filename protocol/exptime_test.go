package protocol_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

const day = 24 * time.Hour

func TestExptime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	half := now.Add(500 * time.Millisecond)
	end := time.Unix(math.MaxInt32, 0)
	rows := []struct {
		name string
		ttl  time.Duration
		now  time.Time
		want int64
	}{
		{"never", 0, now, 0},
		{"one nanosecond is two ticks", 1, now, 2},
		{"one second is two ticks", time.Second, now, 2},
		{"two seconds", 2 * time.Second, now, 2},
		{"parts round up", 2*time.Second + 1, now, 3},
		{"a minute", time.Minute, half, 60},
		{"just below the edge", 30*day - 1, now, 2592000},
		{"30 days are the last relative number", 30 * day, now, 2592000},
		{"beyond the edge it is a date", 30*day + 1, now, 1_800_000_000 + 2592001},
		{"a second more", 30*day + time.Second, now, 1_800_000_000 + 2592001},
		{"the clock's part of a second counts", 30*day + time.Second, half, 1_800_000_000 + 2592002},
		{"parts add up", 30*day + 1500*time.Millisecond, half, 1_800_000_000 + 2592002},
		{"a year", 365 * day, now, 1_800_000_000 + 365*86400},
		{"the last second that a server can count", 60 * day, end.Add(-60 * day), math.MaxInt32},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got, err := protocol.Exptime(row.ttl, row.now)
			require.NoError(t, err)
			require.Equal(t, row.want, got)
			require.NoError(t, protocol.Check(&protocol.Request{Command: protocol.Set, Key: "k", Exptime: got}))
		})
	}
}

func TestExptimeRefuses(t *testing.T) {
	end := time.Unix(math.MaxInt32, 0)
	rows := []struct {
		name string
		ttl  time.Duration
		now  time.Time
	}{
		{"negative", -1, end},
		{"a negative day", -day, end},
		{"most negative", math.MinInt64, end},
		{"one nanosecond after 2038", 60*day + 1, end.Add(-60 * day)},
		{"longest duration", math.MaxInt64, time.Unix(1_800_000_000, 0)},
		{"a date after 2038", 31 * day, end},
	}
	for _, row := range rows {
		_, err := protocol.Exptime(row.ttl, row.now)
		require.ErrorIs(t, err, protocol.ErrInvalidTTL, row.name)
	}
}

// TestExptimeNeverEndsEarly: whatever the TTL and the clock, the item is kept at least that long, and less than a second
// longer but for the first.
func TestExptimeNeverEndsEarly(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		ttl := time.Duration(rnd.Int64N(int64(60 * day)))
		if rnd.IntN(2) == 0 {
			ttl = time.Duration(rnd.Int64N(int64(5 * time.Second)))
		}
		ttl = max(ttl, 1)
		now := time.Unix(1_700_000_000+rnd.Int64N(1e8), rnd.Int64N(1e9))
		n, err := protocol.Exptime(ttl, now)
		require.NoError(t, err)
		kept := time.Duration(n) * time.Second
		if n > 30*24*3600 {
			kept = time.Unix(n, 0).Sub(now)
		}
		require.GreaterOrEqual(t, kept, ttl)
		require.Less(t, kept, max(ttl, time.Second)+time.Second+1)
	}
}
