// Package netlab answers: how does a test cut the network to a node, as a failing switch or a power cut does?
//
// A Host is a network namespace of the test's own, joined to this one by a virtual cable, with a memcached in it. Drop
// makes packets to it vanish: connects time out and open connections hang, as no signal to a process can do. It
// needs Linux, root and iproute2; without them Start skips the test, loudly, or fails it where CI is set.
package netlab
