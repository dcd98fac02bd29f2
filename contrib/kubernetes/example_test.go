package kubernetes_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/nohop/memcache/contrib/kubernetes"
	"github.com/nohop/memcache/discovery"
)

// In a pod, for a DaemonSet of memcached, whose stable names are those of the machines.
func ExampleNew() {
	src, err := kubernetes.New(kubernetes.Config{Service: "memcached", Identity: kubernetes.ByNode})
	if err != nil {
		log.Fatal(err) // for instance that this is no pod
	}
	f, err := discovery.NewFollower(discovery.Config{
		Source:  src,
		OnEvent: func(e discovery.Event) { log.Println("memcached pods:", e.Err, "the list is", e.Age, "old") },
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = f.Run(context.Background(), func(nodes []discovery.Node) { log.Println(nodes) })
}

// A machine outside the cluster reaches the API by "kubectl proxy", here played by a server with one fixed answer.
func ExampleSource_Nodes() {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"kind": "EndpointSliceList", "metadata": {"resourceVersion": "7"}, "items": [{
			"metadata": {"name": "memcached-x2x"}, "addressType": "IPv4", "ports": [{"name": "memcached", "port": 11211}],
			"endpoints": [{"addresses": ["10.4.0.9"], "conditions": {"ready": true}, "nodeName": "machine-1", "zone": "eu-1a",
				"targetRef": {"kind": "Pod", "name": "memcached-k7x2p"}}]}]}`)
	}))
	defer proxy.Close()
	src, err := kubernetes.New(kubernetes.Config{
		Service: "memcached", Namespace: "caches", Identity: kubernetes.ByNode, Server: proxy.URL,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	nodes, err := src.Nodes(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range nodes {
		fmt.Println(n.Name, n.Addr, n.Zone, n.Meta["pod"])
	}
	// Output: machine-1 10.4.0.9:11211 eu-1a memcached-k7x2p
}
