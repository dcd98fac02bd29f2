package memcache_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/fetchers"
	"github.com/nohop/memcache/hotkey/sflowrt"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// background runs f until the test ends.
func background(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// stranger reads key all the time, by the text protocol over a connection of its own, until the test ends.
func stranger(t *testing.T, addr, key string) {
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	background(t, func(ctx context.Context) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for ctx.Err() == nil {
			if _, err := fmt.Fprintf(conn, "get %s\r\n", key); err != nil {
				return
			}
			for line := ""; line != "END\r\n"; {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
		}
	})
}

// hotStart waits until a key is reported as hot.
func hotStart(t *testing.T, c *memcache.Client, key string) hotkey.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for e := range c.HotKeyEvents(ctx) {
		if e.Kind == hotkey.HotStart && e.Key.Name == key {
			return e
		}
	}
	t.Fatal("not reported: " + key)
	return hotkey.Event{}
}

// awaitRule waits until something is done about a key.
func awaitRule(t *testing.T, c *memcache.Client, key string) {
	t.Helper()
	require.Eventually(t, func() bool {
		for rule := range c.Rules().Rules() {
			if rule.Key == key {
				return true
			}
		}
		return false
	}, 20*time.Second, 10*time.Millisecond)
}

func keyOf(c *memcache.Client, name string) hotkey.Key {
	for _, k := range c.TopKeys(100) {
		if k.Name == name {
			return k
		}
	}
	return hotkey.Key{}
}

// A key that somebody else makes hot, with a client that is not ours, is found in the nodes' logs and relieved here. What this
// client does itself is counted once.
func TestAKeyThatStrangersMakeHotIsRelieved(t *testing.T) {
	node := realnode.Start(t)
	source, err := fetchers.NewSource(fetchers.Options{})
	require.NoError(t, err)
	told := &eventLog{}
	c := newClient(t, memcache.WithServers(node.Addr), memcache.WithHotKeySource(source), memcache.WithTimeout(longTimeout), memcache.WithObserver(told))
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "theirs", Value: make([]byte, 20<<10)}))
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "ours", Value: make([]byte, 20<<10)}))
	require.Eventually(t, func() bool { return c.Stats().HotKeySources[0].Age == 0 }, 20*time.Second, time.Millisecond)
	background(t, func(ctx context.Context) {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			_, _ = c.Get(ctx, "ours")
			<-ticker.C
		}
	})
	stranger(t, node.Addr, "theirs")
	e := hotStart(t, c, "theirs")
	require.Equal(t, "fetchers", e.Key.Origin)
	awaitRule(t, c, "theirs")
	require.Eventually(t, func() bool { return keyOf(c, "ours").OpsPerSecond > 0 }, 20*time.Second, 10*time.Millisecond)
	require.Empty(t, keyOf(c, "ours").Origin)
	require.Less(t, keyOf(c, "ours").OpsPerSecond, 300.0, "200 a second at most, and not twice as many")
	require.Equal(t, "fetchers", keyOf(c, "theirs").Origin)
	require.Eventually(t, func() bool {
		it, err := c.Get(t.Context(), "theirs")
		return err == nil && len(it.Value) == 20<<10 && c.Stats().Copies.Kept > 0
	}, 20*time.Second, 10*time.Millisecond, "reads here are of a copy")

	node.Kill()
	require.Eventually(t, func() bool { return told.has(memcache.HotKeySourceFailed) }, 20*time.Second, 10*time.Millisecond)
	require.NotEmpty(t, c.HotKeyReport(1).Notes)
	require.NoError(t, node.Restart())
	require.Eventually(t, func() bool { return told.has(memcache.HotKeySourceBack) }, 20*time.Second, 10*time.Millisecond)
	require.Empty(t, c.HotKeyReport(1).Notes)
}

// eventLog remembers the kinds of events.
type eventLog struct {
	quiet
	mu    sync.Mutex
	kinds map[memcache.EventKind]memcache.Event
}

// quiet is the rest of an observer.
type quiet struct{}

func (quiet) Start(ctx context.Context, _ memcache.Call) context.Context { return ctx }
func (quiet) End(context.Context, memcache.Call, memcache.Result)        {}

func (l *eventLog) Event(e memcache.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds == nil {
		l.kinds = map[memcache.EventKind]memcache.Event{}
	}
	l.kinds[e.Kind] = e
}

func (l *eventLog) has(kind memcache.EventKind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.kinds[kind]
	return ok
}

// analyzer is an HTTP server that says what sFlow-RT would of one hot and one missed key (https://sflow-rt.com/reference.php).
func analyzer(t *testing.T, hot, missed string) string {
	mux := http.NewServeMux()
	reply := func(pattern string, answer any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(answer) })
	}
	defined := func(pattern string) {
		mux.HandleFunc("PUT "+pattern, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		mux.HandleFunc("GET "+pattern, http.NotFound)
	}
	defined("/flow/{name}/json")
	defined("/threshold/{name}/json")
	flow := func(key string, value float64) []map[string]any {
		return []map[string]any{{"key": key, "value": value}}
	}
	reply("GET /events/json", []any{})
	reply("GET /activeflows/ALL/hotkey/json", flow(hot, 9e6))
	reply("GET /activeflows/ALL/missedkey/json", flow(missed, 99))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// A key that an analyzer says is hot in the whole fleet is relieved here, though this process reads it but now and then.
func TestAKeyThatAnAnalyzerReportsIsRelieved(t *testing.T) {
	node := realnode.Start(t)
	source, err := sflowrt.New(sflowrt.Config{URL: analyzer(t, "front-page", "session.uesr"), Interval: time.Second})
	require.NoError(t, err)
	c := newClient(t, memcache.WithServers(node.Addr), memcache.WithHotKeySource(source), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "front-page", Value: make([]byte, 20<<10)}))
	e := hotStart(t, c, "front-page")
	require.Equal(t, "sflow-rt", e.Key.Origin)
	require.InDelta(t, 9e6, e.Key.BytesPerSecond, 0)
	require.Equal(t, "session.uesr", c.MissedKeys(1)[0].Name)
	require.Equal(t, "sflow-rt", c.MissedKeys(1)[0].Origin)
	background(t, func(ctx context.Context) {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			_, _ = c.Get(ctx, "front-page")
			<-ticker.C
		}
	})
	awaitRule(t, c, "front-page")
	report := c.HotKeyReport(1)
	require.Equal(t, "front-page", report.Keys[0].Key)
	require.Equal(t, "sflow-rt", report.Keys[0].Origin)
	require.Equal(t, node.Addr, report.Keys[0].Home)
	require.True(t, strings.HasPrefix(report.Keys[0].Remedy, "keep"), report.Keys[0].Remedy)
}

// script is a source that does what a test says.
type script struct {
	name  string
	watch func(ctx context.Context, eye *hotkey.Eye)
}

func (s script) Name() string                               { return s.name }
func (s script) Watch(ctx context.Context, eye *hotkey.Eye) { s.watch(ctx, eye) }

// A source that fails is an event and an age; what it has said stays, and requests do not notice. Close ends it.
func TestASourceOfHotKeysThatFails(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		told, status, ended := &diary{}, make(chan error), false
		c := w.client(memcache.WithObserver(told), memcache.WithHotKeySource(script{"eye", func(ctx context.Context, eye *hotkey.Eye) {
			eye.Report([]hotkey.Key{{Name: "k", BytesPerSecond: 5e6}}, nil)
			eye.SetStatus(nil)
			for {
				select {
				case err := <-status:
					eye.SetStatus(err)
				case <-ctx.Done():
					ended = true
					return
				}
			}
		}}))
		time.Sleep(2 * time.Second)
		require.Equal(w, []hotkey.EyeStatus{{Name: "eye"}}, c.Stats().HotKeySources)
		require.Equal(w, "k", c.TopKeys(1)[0].Name)
		status <- errors.New("no route to host")
		time.Sleep(time.Minute)
		require.Equal(w, time.Minute, c.Stats().HotKeySources[0].Age)
		require.ErrorContains(w, c.Stats().HotKeySources[0].Err, "no route to host")
		require.Contains(w, c.HotKeyReport(1).Notes[0], "eye sees nothing, or not all, for 1m0s: no route to host")
		require.False(w, c.TopKeys(1)[0].Since.IsZero())
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k"}))
		status <- errors.New("still none")
		status <- nil
		synctest.Wait()
		require.Zero(w, c.Stats().HotKeySources[0].Age)
		var seen []string
		for _, e := range c.Events() {
			if e.Kind == memcache.HotKeySourceFailed || e.Kind == memcache.HotKeySourceBack {
				seen = append(seen, fmt.Sprint(e.Kind, " ", e.Source, " ", e.Err))
			}
		}
		require.Equal(w, []string{"hot_key_source_failed eye memcache: eye: no route to host", "hot_key_source_back eye <nil>"}, seen)
		require.NoError(w, c.Close())
		require.True(w, ended)
	})
}

func TestASourceThatGivesUpIsSaid(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client(memcache.WithHotKeySource(script{"eye", func(context.Context, *hotkey.Eye) {}}))
		synctest.Wait()
		require.ErrorContains(w, c.Stats().HotKeySources[0].Err, "given up")
		require.EqualValues(w, 1, c.Stats().HotKeySources[0].Failures)
	})
}

func TestSourcesThatMakeNoSense(t *testing.T) {
	idle := func(name string) memcache.Option {
		return memcache.WithHotKeySource(script{name, func(ctx context.Context, _ *hotkey.Eye) { <-ctx.Done() }})
	}
	for name, opts := range map[string][]memcache.Option{
		"nil":          {memcache.WithHotKeySource(nil)},
		"no name":      {idle("")},
		"twice":        {idle("a"), idle("a")},
		"nobody looks": {idle("a"), memcache.WithoutHotKeys()},
		"nine":         {idle("1"), idle("2"), idle("3"), idle("4"), idle("5"), idle("6"), idle("7"), idle("8"), idle("9")},
	} {
		_, err := memcache.New(append(opts, memcache.WithServers("a"))...)
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
	}
}
