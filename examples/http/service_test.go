package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

// TestTheDatabaseIsAskedOnce for a user that many ask for at a time, and again only for one that is not there.
func TestTheDatabaseIsAskedOnce(t *testing.T) {
	addrs, stop := startNodes(3)
	defer stop()
	client, err := memcache.New(memcache.WithServers(addrs...))
	require.NoError(t, err)
	defer client.Close()
	var asked atomic.Int64
	find := func(ctx context.Context, id int) (User, error) {
		asked.Add(1)
		return slowDatabase(ctx, id)
	}
	server := httptest.NewServer(newService(client, find))
	defer server.Close()
	get := func(path string) (int, string) {
		response, err := http.Get(server.URL + path)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if status, body := get("/user/7"); status != http.StatusOK || body != `{"id":7,"name":"user number 7"}`+"\n" {
				t.Error(status, body)
			}
		})
	}
	callers.Wait()
	require.Equal(t, int64(1), asked.Load())
	for path, want := range map[string]int{"/user/5000": http.StatusNotFound, "/user/x": http.StatusBadRequest, "/debug/memcache/": http.StatusOK} {
		status, _ := get(path)
		require.Equal(t, want, status, path)
	}
}

// TestRunEndsWhenItIsTold.
func TestRunEndsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", "") }()
	cancel()
	require.NoError(t, <-ended)
}

// TestRequestsAreAnsweredBeforeItEnds: what they use is closed then.
func TestRequestsAreAnsweredBeforeItEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	asked, finish := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(asked); <-finish })}
	closing := make(chan struct{})
	server.RegisterOnShutdown(func() { close(closing) })
	ctx, cancel := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan error, 1)
	go func() { ended <- serve(ctx, server, listener) }()
	go func() {
		response, err := http.Get("http://" + listener.Addr().String())
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	<-asked
	cancel()
	<-closing
	select {
	case <-ended:
		t.Error("it has ended during a request")
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	require.NoError(t, <-answered)
	if !t.Failed() {
		require.NoError(t, <-ended)
	}
}
