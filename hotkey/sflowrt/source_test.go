package sflowrt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

// start runs a source of a until the test ends.
func start(t *testing.T, a *analyzer) (*Source, chan hotkey.Event) {
	t.Helper()
	events := make(chan hotkey.Event, 100)
	s, err := New(Config{URL: a.URL, Interval: time.Second, OnEvent: func(e hotkey.Event) { events <- e }})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s, events
}

func next(t *testing.T, events chan hotkey.Event) hotkey.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event")
		return hotkey.Event{}
	}
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 20*time.Second, time.Millisecond)
}

func TestFlowsAndThresholdsAreDefinedAsTheScriptDid(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	s, _ := start(t, a)
	await(t, func() bool { return s.Status().Looks > 0 })
	a.mu.Lock()
	defer a.mu.Unlock()
	require.Equal(t, map[string]map[string]any{
		"/flow/hotkey":         {"keys": "memcachekey", "value": "bytes"},
		"/flow/missedkey":      {"keys": "memcachekey", "value": "requests", "filter": "memcachestatus=NOT_FOUND"},
		"/threshold/hotkey":    {"metric": "hotkey", "value": 1e6},
		"/threshold/missedkey": {"metric": "missedkey", "value": 20.0},
	}, a.definition)
	require.True(t, s.Status().Connected)
	require.EqualValues(t, 1, s.Status().Defined)
}

func TestAnEventLeadsToTheTopKeys(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	s, events := start(t, a)
	await(t, func() bool { return a.did("GET /events") })
	a.mu.Lock()
	a.top["10.0.0.7/3.65536.hotkey"] = []keyValue{{"front-page", 2e6}, {"warm", 1000}}
	a.top["10.0.0.8/17.missedkey"] = []keyValue{{"session.uesr", 21}}
	a.mu.Unlock()
	a.happen("hotkey", "10.0.0.7", "3.65536")
	a.happen("missedkey", "10.0.0.8", 17) // an old version's number
	a.happen("load_one", "10.0.0.7", "2") // somebody else's
	got := map[hotkey.EventKind]hotkey.Event{}
	for range 2 {
		e := next(t, events)
		got[e.Kind] = e
	}
	hot := got[hotkey.HotStart].Key
	require.Equal(t, "front-page", hot.Name)
	require.Equal(t, xxhash.Sum64String("front-page"), hot.Hash)
	require.InDelta(t, 2e6, hot.BytesPerSecond, 0)
	require.Equal(t, "session.uesr", got[hotkey.Missed].Missed.Name)
	require.InDelta(t, 21, got[hotkey.Missed].Missed.MissesPerSecond, 0)
	require.Len(t, s.Hot(), 1)
	require.Len(t, s.Missed(), 1)
	require.EqualValues(t, 3, s.Status().Events)
	require.False(t, a.did("GET /metric/10.0.0.7/2.load_one"))
}

func TestASumOverAgentsNeedsNoEvent(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	a.set(hotFlow, "everybody's", 5e6)
	a.set(hotFlow, "warm", 9e5)
	a.set(missedFlow, "gone", 100)
	s, events := start(t, a)
	require.Equal(t, "everybody's", next(t, events).Key.Name)
	require.Equal(t, "gone", next(t, events).Missed.Name)
	require.Len(t, s.Hot(), 1)
	a.set(hotFlow, "warm", 1e6)
	require.Equal(t, "warm", next(t, events).Key.Name, "the long poll ends without an event, and the flows are looked at")
}

func TestARestartOfTheAnalyzerIsNoticed(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	s, events := start(t, a)
	a.happen("x", "a", "1")
	a.happen("x", "a", "1")
	a.set(hotFlow, "k", 2e6)
	require.Equal(t, hotkey.HotStart, next(t, events).Kind)
	await(t, func() bool { return a.did("GET /events/json?maxEvents=10&timeout=1&eventID=2") })

	a.restart() // flows gone, next event is number 1
	await(t, func() bool { return s.Status().Defined == 2 })
	a.mu.Lock()
	a.top["a/1.hotkey"] = []keyValue{{"new", 3e6}}
	a.mu.Unlock()
	a.happen("hotkey", "a", "1")
	e := next(t, events)
	require.Equal(t, "new", e.Key.Name)
	require.Equal(t, hotkey.HotStart, e.Kind)
	require.Len(t, s.Hot(), 2, "that the analyzer has forgotten k does not mean that it is cold")
}

func TestErrorsAreSaidAndSurvived(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"refused": func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "no", http.StatusForbidden)
			return true
		},
		"read only":    func(w http.ResponseWriter, r *http.Request) bool { return r.Method == "PUT" && refuse(w) },
		"no JSON":      func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, "<html>"); return true },
		"another JSON": func(w http.ResponseWriter, r *http.Request) bool { fmt.Fprint(w, `"x"`); return true },
		"events fail":  func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path == "/events/json" && refuse(w) },
		"flows fail": func(w http.ResponseWriter, r *http.Request) bool {
			return strings.HasPrefix(r.URL.Path, "/activeflows/") && refuse(w)
		},
		"connection cut": func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAnalyzer(t)
			a.fail = fail
			a.set(hotFlow, "k", 2e6)
			s, events := start(t, a)
			await(t, func() bool { return s.Status().Err != nil })
			require.False(t, s.Status().Connected)
			require.Empty(t, events)
			a.mu.Lock()
			a.fail = nil
			a.mu.Unlock()
			require.Equal(t, "k", next(t, events).Key.Name)
			await(t, func() bool { return s.Status().Connected })
			require.NoError(t, s.Status().Err)
		})
	}
}

func refuse(w http.ResponseWriter) bool {
	http.Error(w, "", http.StatusMethodNotAllowed)
	return true
}

func TestTheErrorNamesTheRequest(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	a.fail = func(w http.ResponseWriter, r *http.Request) bool { return refuse(w) }
	s, _ := start(t, a)
	var status *StatusError
	await(t, func() bool { return s.Status().Err != nil })
	require.ErrorAs(t, s.Status().Err, &status)
	require.Equal(t, StatusError{"GET", "/flow/hotkey/json", 405}, *status)
}

func TestDefinitionsInOtherWordsAreOurs(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	a.rewrite = func(d map[string]any) {
		if d["filter"] != nil {
			d["filter"] = "(memcachestatus=NOT_FOUND)"
		}
		d["more"] = true
	}
	s, _ := start(t, a)
	await(t, func() bool { return s.Status().Looks >= 3 })
	require.EqualValues(t, 1, s.Status().Defined)
	require.Equal(t, 4, a.count("PUT "))
}

func TestManyEventsDoNotMakeManyRequests(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	for range 50 {
		a.happen("hotkey", "a", "1")
	}
	s, _ := start(t, a)
	began := time.Now()
	await(t, func() bool { return s.Status().Looks >= 2 })
	require.GreaterOrEqual(t, time.Since(began), leastCycle/2)
	require.LessOrEqual(t, a.count("GET /metric/a/"), 3)
}

func TestRunEndsInTheMiddleOfAPoll(t *testing.T) {
	t.Parallel()
	a := newAnalyzer(t)
	s, err := New(Config{URL: a.URL, Interval: time.Hour, OnEvent: func(hotkey.Event) {}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	await(t, func() bool { return a.did("GET /events") })
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Run does not end")
	}
}

func TestBadConfig(t *testing.T) {
	ignore := func(hotkey.Event) {}
	for name, c := range map[string]Config{
		"no URL":             {OnEvent: ignore},
		"no scheme":          {URL: "10.0.0.9:8008", OnEvent: ignore},
		"another scheme":     {URL: "ftp://x", OnEvent: ignore},
		"a query":            {URL: "http://x/?a=b", OnEvent: ignore},
		"negative threshold": {URL: "http://x", OnEvent: ignore, BytesPerSecond: -1},
		"short interval":     {URL: "http://x", OnEvent: ignore, Interval: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c)
			require.ErrorIs(t, err, ErrBadConfig)
		})
	}
}

func TestTheVerdictHasHysteresis(t *testing.T) {
	v := newVerdict(100)
	now := time.Unix(0, 0)
	at := func(seconds int, rates map[string]float64) (began, ended int) {
		b, e := v.update(now.Add(time.Duration(seconds)*time.Second), rates)
		return len(b), len(e)
	}
	step := func(seconds, wantBegan, wantEnded int, rates map[string]float64) {
		t.Helper()
		began, ended := at(seconds, rates)
		require.Equal(t, wantBegan, began, seconds)
		require.Equal(t, wantEnded, ended, seconds)
	}
	step(0, 0, 0, map[string]float64{"a": 99})
	step(1, 1, 0, map[string]float64{"a": 100, "": 1e9, strings.Repeat("k", 251): 1e9})
	step(2, 0, 0, map[string]float64{"a": 200})
	step(60, 0, 0, map[string]float64{"a": 25})
	step(89, 0, 0, map[string]float64{"a": 24})
	require.InDelta(t, 24, v.list()[0].rate, 0)
	step(90, 0, 1, nil)
	step(91, 1, 0, map[string]float64{"a": 100})
	v.resume(now.Add(500 * time.Second))
	step(500, 0, 0, nil)
	step(530, 0, 1, nil)
}

func TestTheNumberOfHotKeysIsBounded(t *testing.T) {
	v := newVerdict(1)
	rates := map[string]float64{}
	for i := range 3 * maxKeys {
		rates[fmt.Sprint(i)] = 2
	}
	began, _ := v.update(time.Now(), rates)
	require.Len(t, began, maxKeys)
	require.Len(t, v.keys, maxKeys)
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`[{"eventID":3,"metric":"hotkey","agent":"a","dataSource":"1"}]`))
	f.Add([]byte(`[{"eventID":-9e99,"dataSource":{}}]`))
	f.Add([]byte(`[{"key":"k","value":1e400}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var events []event
		if json.Unmarshal(data, &events) == nil {
			s := &Source{lastID: -1}
			s.advance(events)
		}
		var flows []keyValue
		if json.Unmarshal(data, &flows) == nil {
			v := newVerdict(10)
			for _, f := range flows {
				v.update(time.Unix(1, 0), map[string]float64{f.Key: f.Value})
			}
			require.LessOrEqual(t, len(v.list()), len(flows))
		}
	})
}

// A data source is asked for by the name that the event has for it, also if that is a large number.
func TestNamesOfDataSources(t *testing.T) {
	var asked string
	analyzer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = w.Write([]byte("[]"))
	}))
	defer analyzer.Close()
	for source, name := range map[string]string{"2": "2", "1000003": "1000003", "16777215": "16777215", `"0x1000"`: "0x1000"} {
		e := event{Metric: "hotkey", Agent: "10.0.0.1", DataSource: json.RawMessage(source)}
		_, err := rest{analyzer.URL, http.DefaultClient}.topKeys(t.Context(), e)
		require.NoError(t, err)
		require.Equal(t, "/metric/10.0.0.1/"+name+".hotkey/json", asked)
	}
}
