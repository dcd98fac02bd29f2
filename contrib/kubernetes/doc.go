// Package kubernetes answers: which memcached pods of a service exist now, in which zones, and are they ready?
//
// New makes a source for package discovery. It reads the service's EndpointSlices from the API server, by one list and then a
// watch, so a change is seen within moments of the API server's knowing it:
//
//	src, err := kubernetes.New(kubernetes.Config{Service: "memcached", Identity: kubernetes.ByNode})
//
// The pod's service account needs this role in the service's namespace:
//
//	rules:
//	- apiGroups: ["discovery.k8s.io"]
//	  resources: ["endpointslices"]
//	  verbs: ["list", "watch"]
//
// The life of a watch:
//
//  1. List all slices of the service, the newest the API server has, and hand on their nodes.
//  2. Watch from the version of the list. Each event replaces one slice, or only moves the version on (bookmarks).
//  3. The API server ends a watch after some minutes, and connections break, also in the middle of an event. The next
//     watch begins at the last version seen whole, so nothing is missed and nothing listed again.
//  4. If the API server no longer has that version (410), list again.
//  5. Any other error ends the watch. The Follower keeps the last list, tells of the error, and begins at 1 after a pause
//     that grows, up to its MaxBackoff.
//
// The token is read from its file for each request and the certificates of the API server's authority are read before each,
// so both may be replaced at any time; a token that is refused (401) is an error as in 5, and the next try has the new one.
//
// What is known of a node: its name (see Identity), address, and zone; in Meta "pod" and "node", their names; and where
// Config.Include lets such endpoints in, "ready": "false" and "terminating": "true".
//
// The module needs net/http and the core module only, no Kubernetes library.
package kubernetes
