package sflowrt

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// analyzer is a server that answers as sFlow-RT's reference documents: definitions by PUT and GET, events by long poll,
// newest first and only those after eventID, top keys of a metric, active flows.
type analyzer struct {
	*httptest.Server
	mu         sync.Mutex
	definition map[string]map[string]any // by path without /json
	flows      map[string]map[string]float64
	top        map[string][]keyValue // by agent/source.metric
	events     []map[string]any      // newest first
	nextID     int64
	changed    chan struct{} // closed when an event comes
	asked      []string
	fail       func(w http.ResponseWriter, r *http.Request) bool // answers instead
	rewrite    func(map[string]any)                              // what is defined, before it is kept
}

func newAnalyzer(t *testing.T) *analyzer {
	a := new(analyzer)
	a.restart()
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

// restart forgets everything.
func (a *analyzer) restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.definition = map[string]map[string]any{}
	a.flows = map[string]map[string]float64{hotFlow: {}, missedFlow: {}}
	a.top = map[string][]keyValue{}
	a.events, a.nextID = nil, 1
	if a.changed != nil {
		close(a.changed)
	}
	a.changed = make(chan struct{})
}

// set is what the active flows are from now on.
func (a *analyzer) set(name, key string, rate float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flows[name][key] = rate
}

// happen adds an event.
func (a *analyzer) happen(metric, agent string, source any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = slices.Insert(a.events, 0, map[string]any{
		"eventID": a.nextID, "metric": metric, "thresholdID": metric, "agent": agent, "dataSource": source,
		"threshold": 1e6, "value": 2e6, "timestamp": time.Now().UnixMilli(),
	})
	a.nextID++
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *analyzer) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.Method+" "+r.URL.String())
	fail := a.fail
	a.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	path, isJSON := strings.CutSuffix(r.URL.Path, "/json")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case !isJSON:
		http.NotFound(w, r)
	case parts[0] == "flow" || parts[0] == "threshold":
		a.define(w, r, path)
	case r.Method != http.MethodGet:
		http.Error(w, "", http.StatusMethodNotAllowed)
	case parts[0] == "events":
		a.poll(w, r)
	case parts[0] == "activeflows" && len(parts) == 3:
		a.active(w, r, parts[2])
	case parts[0] == "metric" && len(parts) == 3:
		a.metric(w, r, parts[1]+"/"+parts[2])
	default:
		http.NotFound(w, r)
	}
}

func (a *analyzer) define(w http.ResponseWriter, r *http.Request, path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.Method {
	case http.MethodPut:
		var d map[string]any
		if json.NewDecoder(r.Body).Decode(&d) != nil || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		if a.rewrite != nil {
			a.rewrite(d)
		}
		a.definition[path] = d
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet:
		if a.definition[path] == nil {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(a.definition[path])
	}
}

func (a *analyzer) poll(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	after, _ := strconv.ParseInt(query.Get("eventID"), 10, 64)
	most, _ := strconv.Atoi(query.Get("maxEvents"))
	seconds, _ := strconv.Atoi(query.Get("timeout"))
	over := time.After(time.Duration(seconds) * time.Second)
	for {
		a.mu.Lock()
		changed := a.changed
		news := slices.DeleteFunc(slices.Clone(a.events), func(e map[string]any) bool { return e["eventID"].(int64) <= after })
		a.mu.Unlock()
		if len(news) > 0 {
			json.NewEncoder(w).Encode(news[:min(most, len(news))])
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-over:
			fmt.Fprint(w, "[]")
			return
		}
	}
}

func (a *analyzer) active(w http.ResponseWriter, r *http.Request, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	least, err := strconv.ParseFloat(r.URL.Query().Get("minValue"), 64)
	if err != nil || r.URL.Query().Get("aggMode") != "sum" || a.definition["/flow/"+name] == nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	list := []map[string]any{}
	for key, rate := range a.flows[name] {
		if rate >= least {
			list = append(list, map[string]any{"key": key, "value": rate, "agent": "10.0.0.1", "dataSource": "3.65536", "flowN": 1})
		}
	}
	json.NewEncoder(w).Encode(list)
}

func (a *analyzer) metric(w http.ResponseWriter, r *http.Request, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.top[name] == nil {
		http.NotFound(w, r)
		return
	}
	json.NewEncoder(w).Encode([]map[string]any{{"metricName": name, "metricValue": 1, "topKeys": a.top[name]}})
}

func (a *analyzer) did(what string) bool { return a.count(what) > 0 }

// count is how often a request that begins so was made.
func (a *analyzer) count(what string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, line := range a.asked {
		if strings.HasPrefix(line, what) {
			n++
		}
	}
	return n
}
