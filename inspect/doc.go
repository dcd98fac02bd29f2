// Package inspect answers: what is this client doing right now? It is an http.Handler with a page to look at, and the same as
// JSON.
//
//	mux.Handle("/debug/memcache/", http.StripPrefix("/debug/memcache", inspect.Handler(client)))
//
//	GET /             the page: it fetches the JSON once a second and draws it
//	GET /state.json   nodes with their states and counters, discovery, loads, the last events, and of these the history of views and rules
//	GET /keys.json    hot and missed keys, a hotkey.Report, as cmd/mctop reads it
//	GET /rules.json   the rules that apply now, and how their store does
//	GET /explain.json?key=k   how requests for a key would travel, memcache.Client.Explain
//
// keys.json and rules.json have 20 lines of each kind; ?n= asks for 1 to 200.
//
// Everything is read-only and sends nothing to a node. The page has no assets of others and runs under a strict content
// security policy. It is not for strangers: it names the nodes. Keys are hidden unless WithKeys is given, for they may be
// secrets; what somebody asks Explain about, they know already.
//
// A get of state.json costs the process a snapshot of the counters, below a millisecond; who does not look pays nothing.
package inspect
