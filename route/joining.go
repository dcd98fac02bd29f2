package route

import (
	"errors"

	"github.com/nohop/memcache/pool"
)

// A replica that is joining or leaving (pool.Node.Joining) is written to by deletes and not read. It cannot decide
// read-modify-writes, so the home of a key is the first of its replicas that is not joining.
//
// Two processes may disagree for a moment on which that is. Their replicas do not diverge for it: each process does its
// read-modify-write at its home first and clears all other replicas after that, joining ones included. Were both results to
// stay, the first process's clear at the second's home would have come before the second's write there, and the other way
// round; but each clear comes after its own write, and that is a circle. So at least one clears the other, and a reader
// finds one result or misses. What can be lost is one of the two, as by an eviction: an add may succeed where the item is
// at the other's home. A CAS that was read at the other home is a pool.ErrForeignCAS.

// joiner is a route that may be joining.
type joiner interface{ Joining() bool }

// isJoining reports whether the route that would serve op below r is joining. What is not a node is not asked, unless it
// has the method.
func isJoining(r Route, op *Op) bool {
	j, ok := resolve(r, op).(joiner)
	return ok && j.Joining()
}

// home returns the index in All of the replica that decides about op's key; 0 if all are joining.
func (r Replicas) home(op *Op) int {
	for i, replica := range r.All {
		if !isJoining(replica, op) {
			return i
		}
	}
	return 0
}

// allJoining reports whether nothing is stored at any replica.
func (r Replicas) allJoining(op *Op) bool {
	for _, replica := range r.All {
		if !isJoining(replica, op) {
			return false
		}
	}
	return true
}

// hasJoined reports whether op failed because the node is joining.
func hasJoined(op *Op) bool { return op.Err != nil && errors.Is(op.Err, pool.ErrJoining) }
