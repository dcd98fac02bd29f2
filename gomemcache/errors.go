package memcache

import (
	"errors"
	"net"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Errors that callers branch on. They are returned as they are, not wrapped, so that == finds them as errors.Is does; but
// for ErrServerError. Those that the root package has are the same values.
var (
	ErrCacheMiss    = memcache.ErrCacheMiss    // there is no such item
	ErrCASConflict  = memcache.ErrCASConflict  // the item has changed since it was read
	ErrNotStored    = memcache.ErrNotStored    // the condition of Add, Replace, Append or Prepend does not hold
	ErrMalformedKey = memcache.ErrMalformedKey // empty, over 250 bytes, or with a space, control byte or DEL
	ErrNoServers    = memcache.ErrNoServers    // the client has no servers

	// ErrServerError is matched, with errors.Is, by an error for which the server answered SERVER_ERROR, such as that of a
	// value larger than its limit.
	ErrServerError = errors.New("memcache: server error")

	// ErrNoStats is kept so that code which names it compiles. Nothing returns it.
	ErrNoStats = errors.New("memcache: no statistics available")
)

// ConnectTimeoutError means that a server did not take a connection in time. It wraps the *OpError of the root package.
type ConnectTimeoutError struct {
	Addr net.Addr
	err  error
}

func (cte *ConnectTimeoutError) Error() string {
	return "memcache: timeout while connecting to " + cte.Addr.String()
}

// Unwrap returns what is known beyond that.
func (cte *ConnectTimeoutError) Unwrap() error { return cte.err }

// Timeout reports true. With Temporary it makes the error a net.Error.
func (cte *ConnectTimeoutError) Timeout() bool { return true }

// Temporary reports true.
func (cte *ConnectTimeoutError) Temporary() bool { return true }

// failure is a *pool.Error as code written for gomemcache looks at it: a net.Error without unwrapping.
type failure struct{ cause *pool.Error }

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() error   { return f.cause }
func (f *failure) Timeout() bool   { return f.cause.Timeout() }
func (f *failure) Temporary() bool { return f.cause.Timeout() }

// Is reports that the server answered SERVER_ERROR, if that is asked.
func (f *failure) Is(target error) bool {
	var refused *protocol.ServerError
	return target == ErrServerError && errors.As(f.cause, &refused) && refused.Kind == protocol.KindServerError
}

// resultOf returns nil if op was answered with success.
func resultOf(op *route.Op) error {
	switch {
	case op.Err != nil:
		return errorOf(op.Err)
	case op.Reply.Status == protocol.OK:
		return nil
	case op.Reply.Status == protocol.NotStored:
		return ErrNotStored
	case op.Reply.Status == protocol.Exists:
		return ErrCASConflict
	}
	return ErrCacheMiss
}

// errorOf gives the error of a node the types of this package.
func errorOf(err error) error {
	var failed *pool.Error
	if !errors.As(err, &failed) {
		return err
	}
	var late *ConnectTimeoutError
	if errors.As(failed, &late) {
		return &ConnectTimeoutError{late.Addr, failed}
	}
	return &failure{failed}
}

// err returns what a batch could not get.
func (b *batch) err() error {
	failed := &memcache.MultiError{Nodes: map[string]error{}}
	var last error
	for _, op := range b.all() {
		if op.Err == nil {
			continue
		}
		failed.Keys++
		if name := op.Node.Name(); failed.Nodes[name] == nil {
			last = errorOf(op.Err)
			failed.Nodes[name] = last
		}
	}
	if len(failed.Nodes) > 1 {
		return failed
	}
	return last
}
