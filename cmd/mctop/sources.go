package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/fetchers"
)

const (
	maxLines   = 1000
	maxReport  = 16 << 20 // bytes of a client's report
	fetchLimit = 5 * time.Second
)

// source is somebody who knows keys.
type source interface {
	// report returns what is known now; a report that says why nothing is known has Notes.
	report(ctx context.Context, n int) hotkey.Report
}

// sources are all that were asked for.
type sources struct {
	list  []source
	names []string
	way   way
	wg    sync.WaitGroup
}

// open starts to watch; that ends with ctx, and wait returns when it has.
func open(ctx context.Context, names []string, w way) (*sources, error) {
	all := &sources{names: names, way: w}
	for _, name := range names {
		s, err := all.open(ctx, name)
		if err != nil {
			return nil, err
		}
		all.list = append(all.list, s)
	}
	return all, nil
}

func (all *sources) open(ctx context.Context, name string) (source, error) {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return &client{name, all.way.http}, nil
	}
	if !strings.HasPrefix(name, "/") {
		if _, _, err := net.SplitHostPort(name); err != nil {
			return nil, fmt.Errorf("%q is neither node:port nor an http address", name)
		}
	}
	detector, err := hotkey.New(hotkey.Options{})
	if err != nil {
		return nil, err
	}
	watcher, err := fetchers.New(name, detector.NewSampler(), all.way.node)
	if err != nil {
		return nil, err
	}
	all.wg.Go(func() { watcher.Run(ctx) })
	all.wg.Go(func() { detector.Run(ctx) })
	return &node{watcher, detector}, nil
}

func (all *sources) wait() { all.wg.Wait() }

// report asks all sources at once, and adds up what they say.
func (all *sources) report(ctx context.Context, n int) hotkey.Report {
	reports := make([]hotkey.Report, len(all.list))
	var wg sync.WaitGroup
	for i, s := range all.list {
		wg.Go(func() { reports[i] = s.report(ctx, n) })
	}
	wg.Wait()
	return merge(reports, n)
}

// node is a memcached node that is watched.
type node struct {
	watcher  *fetchers.Watcher
	detector *hotkey.Detector
}

func (s *node) report(_ context.Context, n int) hotkey.Report {
	status := s.watcher.Status()
	r := s.detector.Report(n)
	r.Source = status.Node
	for i := range r.Keys {
		r.Keys[i].Home = status.Node
	}
	for _, list := range [][]hotkey.ReportMissed{r.Missed, r.Families} {
		for i := range list {
			list[i].Home = status.Node
		}
	}
	switch {
	case status.Err != nil:
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %v", status.Node, status.Err))
	case !status.Connected:
		r.Notes = append(r.Notes, status.Node+": connecting")
	}
	if status.Skipped > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d lines of its log were skipped", status.Node, status.Skipped))
	}
	if status.Bad > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s: %d lines of its log made no sense", status.Node, status.Bad))
	}
	return r
}

// client is one that reports itself over HTTP.
type client struct {
	url  string
	http *http.Client
}

func (s *client) report(ctx context.Context, n int) hotkey.Report {
	r, err := s.fetch(ctx)
	if err != nil {
		return hotkey.Report{Time: time.Now(), Source: s.url, Notes: []string{fmt.Sprintf("%s: %v", s.url, err)}}
	}
	r.Keys = r.Keys[:min(n, len(r.Keys))]
	r.Missed = r.Missed[:min(n, len(r.Missed))]
	r.Families = r.Families[:min(n, len(r.Families))]
	if r.Source == "" {
		r.Source = s.url
	}
	return r
}

func (s *client) fetch(ctx context.Context) (r hotkey.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return r, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := s.http.Do(request)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return r, fmt.Errorf("the answer is %s", answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxReport)).Decode(&r); err != nil {
		return r, fmt.Errorf("not a report: %w", err)
	}
	bound(&r)
	return r, nil
}

// What a report may say: sums and means of more would not be numbers.
const (
	maxRate     = 1e18
	maxItemSize = 1 << 30
)

// bound brings what somebody else has reported between the bounds.
func bound(r *hotkey.Report) {
	within(maxRate, &r.OpsPerSecond, &r.BytesPerSecond, &r.MissesPerSecond)
	for i := range r.Keys {
		k := &r.Keys[i]
		within(maxRate, &k.OpsPerSecond, &k.BytesPerSecond)
		within(1, &k.Share, &k.FleetShare, &k.WriteShare, k.HitRatio)
		k.ItemSize = min(max(0, k.ItemSize), maxItemSize)
	}
	for _, list := range [][]hotkey.ReportMissed{r.Missed, r.Families} {
		for i := range list {
			within(maxRate, &list[i].MissesPerSecond)
			within(1, list[i].HitRatio)
		}
	}
}

// within brings values between 0 and most.
func within(most float64, values ...*float64) {
	for _, v := range values {
		if v != nil {
			*v = min(max(0, *v), most)
		}
	}
}
