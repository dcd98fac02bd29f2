// Mctop shows the hot and the missed keys of memcached nodes in a terminal, live.
//
//	mctop 10.0.0.7:11211 10.0.0.8:11211
//	mctop http://web-1:8080/debug/memcache/keys.json?n=100
//
// The first shows what all clients of two nodes do, as the nodes' own logs have it; the second what one client does, and
// does about it, as it reports itself (package inspect).
//
// Nodes are watched by "watch fetchers mutations" (package hotkey/fetchers), which costs a node about 85 bytes of network
// per op. A client reports a hotkey.Report as JSON. Both kinds of source can be mixed; lines of the same key are added up.
//
// Nodes may want TLS (-tls, -ca, -server-name) and a password, which is in a file (-auth-file) or in an environment variable
// (-auth-env). README.md shows all this.
//
// Keys to press:
//
//	tab, 1 2 3     the hot keys, the missed keys, the families of missed keys
//	s, r           sort by the next column; reverse
//	/              filter: keys that contain what is typed, until enter; esc takes the filter away
//	space          pause; the nodes are watched on
//	up, down, page up, page down, home
//	q              quit
//
// Where the output is no terminal, or with -plain, tables follow one another; with -json it is a hotkey.Report a line.
package main
