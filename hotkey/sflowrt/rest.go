package sflowrt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	maxAnswer  = 16 << 20         // bytes
	answerTime = 10 * time.Second // for a request, beside what a poll waits
)

// rest is the analyzer's REST API.
type rest struct {
	base string
	http *http.Client
}

// flow is a definition: /flow/{name}/json.
type flow struct {
	Keys   string `json:"keys"`
	Value  string `json:"value"`
	Filter string `json:"filter,omitempty"`
}

// threshold is a definition: /threshold/{name}/json.
type threshold struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
}

// event says that a metric of an agent passed its threshold: /events/json.
type event struct {
	ID         int64           `json:"eventID"`
	Metric     string          `json:"metric"`
	Agent      string          `json:"agent"`
	DataSource json.RawMessage `json:"dataSource"` // a string, or a number in old versions
}

// metric is the value of one: /metric/{agent}/{metric}/json.
type metric struct {
	TopKeys []keyValue `json:"topKeys"`
}

// keyValue is a flow's key and its rate, in topKeys and in /activeflows/{agent}/{name}/json.
type keyValue struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Method, Path string
	Status       int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("sflowrt: %s %s: %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
}

// get decodes the answer into to.
func (r rest) get(ctx context.Context, path string, to any) error {
	return r.do(ctx, http.MethodGet, path, nil, to)
}

func (r rest) put(ctx context.Context, path string, what any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	return r.do(ctx, http.MethodPut, path, body, nil)
}

func (r rest) do(ctx context.Context, method, path string, body []byte, to any) error {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	limited := io.LimitReader(answer.Body, maxAnswer)
	defer io.Copy(io.Discard, limited) // so that the connection is used again
	if answer.StatusCode/100 != 2 {
		return &StatusError{method, path, answer.StatusCode}
	}
	if to == nil {
		return nil
	}
	if err := json.NewDecoder(limited).Decode(to); err != nil {
		return fmt.Errorf("sflowrt: %s %s: %w", method, path, err)
	}
	return nil
}

// events waits for events after the one of that id; -1 is before all.
func (r rest) events(ctx context.Context, after int64, wait time.Duration) (list []event, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTime)
	defer cancel()
	path := fmt.Sprintf("/events/json?maxEvents=%d&timeout=%d&eventID=%d", maxEvents, int(wait/time.Second), after)
	return list, r.get(ctx, path, &list)
}

// topKeys are those of one agent's data source.
func (r rest) topKeys(ctx context.Context, e event) ([]keyValue, error) {
	var source any // without the quotes, if it has them
	decoder := json.NewDecoder(bytes.NewReader(e.DataSource))
	decoder.UseNumber() // a number is asked for as it was written
	if err := decoder.Decode(&source); err != nil {
		return nil, fmt.Errorf("sflowrt: data source of an event: %w", err)
	}
	name := fmt.Sprintf("%v.%s", source, e.Metric)
	var list []metric
	if err := r.get(ctx, "/metric/"+url.PathEscape(e.Agent)+"/"+url.PathEscape(name)+"/json", &list); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list[0].TopKeys, nil
}

// activeFlows are the largest flows of that name from a value on, summed over all agents.
func (r rest) activeFlows(ctx context.Context, name string, from float64) (list []keyValue, err error) {
	path := fmt.Sprintf("/activeflows/ALL/%s/json?maxFlows=%d&minValue=%.0f&aggMode=sum", name, maxFlows, from)
	return list, r.get(ctx, path, &list)
}
