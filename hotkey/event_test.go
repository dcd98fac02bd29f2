package hotkey

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A loop that is too slow loses the newer events, is told how many, and holds nobody up.
func TestSlowLoopLosesEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		reading := make(chan struct{})
		var got []Event
		var wg sync.WaitGroup
		wg.Go(func() {
			for e := range d.Events(ctx) {
				<-reading
				got = append(got, e)
			}
		})
		synctest.Wait()
		const more = 10
		for i := range 1 + eventBuffer + more { // the loop holds the first
			d.stream.publish(Event{Kind: HotStart, Key: Key{Hash: uint64(i)}})
			if i == 0 {
				synctest.Wait()
			}
		}
		close(reading)
		synctest.Wait()
		d.stream.publish(Event{Kind: HotEnd})
		d.stream.publish(Event{Kind: HotEnd})
		d.Close()
		wg.Wait()
		require.Len(t, got, 1+eventBuffer+2)
		for i, e := range got[:1+eventBuffer] {
			require.Equal(t, uint64(i), e.Key.Hash)
			require.Zero(t, e.Dropped)
		}
		require.Equal(t, uint64(more), got[1+eventBuffer].Dropped)
		require.Zero(t, got[2+eventBuffer].Dropped)
		require.Equal(t, uint64(more), d.Stats().EventsDropped)
	})
}

// Loops end by leaving them, by their context, and with the detector, before which and after which they may begin.
func TestLoopsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range d.Events(ctx) {
					break
				}
			})
			wg.Go(func() {
				for range d.Events(ctx) {
				}
			})
			wg.Go(func() {
				for range d.Events(context.Background()) {
				}
			})
		}
		synctest.Wait()
		require.Len(t, d.stream.subs, 9)
		d.stream.publish(Event{Kind: HotStart})
		synctest.Wait()
		require.Len(t, d.stream.subs, 6)
		stop()
		synctest.Wait()
		require.Len(t, d.stream.subs, 3)
		d.Close()
		wg.Wait()
		d.Close()
		for range d.Events(context.Background()) {
			t.Error("an event after the end")
		}
		d.stream.publish(Event{})
	})
}

func TestEventKindNames(t *testing.T) {
	require.Equal(t, "hot-start", HotStart.String())
	require.Equal(t, "advice", Advice.String())
	require.Equal(t, "unknown", EventKind(0).String())
	require.Equal(t, "unknown", EventKind(99).String())
}
