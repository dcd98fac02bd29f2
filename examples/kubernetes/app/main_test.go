package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// TestWork stores and reads, and says from where.
func TestWork(t *testing.T) {
	node := memcachetest.NewServer()
	defer node.Close()
	client, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithReplicated(), memcache.WithTimeout(5*time.Second))
	require.NoError(t, err)
	defer client.Close()
	server := httptest.NewServer(newService(client))
	defer server.Close()
	response, err := http.Post(server.URL+"/work?set=10&get=20", "", nil)
	require.NoError(t, err)
	defer response.Body.Close()
	var report Report
	require.NoError(t, json.NewDecoder(response.Body).Decode(&report))
	report.Took = 0
	require.Equal(t, Report{Local: node.Addr(), Nodes: 1, Found: 10, FromLocal: 10, Missed: 10}, report)
}
