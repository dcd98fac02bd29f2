package memcache

import (
	"context"
	"errors"
	"net"

	"github.com/nohop/memcache/protocol"
)

// ErrorClass names an error by one of a few words, for labels of metrics and the like; "" for nil. An error that matches
// several of these, as one of many nodes may, is of the first class:
//
//	cache-miss     ErrCacheMiss
//	not-stored     ErrNotStored
//	conflict       ErrCASConflict
//	partial-write  ErrPartialWrite
//	denied         ErrDenied
//	closed         ErrClosed
//	canceled       context.Canceled
//	node-down      ErrNodeDown, also where the node is down because it has timed out; ErrNoServers, ErrAuth
//	timeout        ErrTimeout, context.DeadlineExceeded
//	bad-request    ErrMalformedKey, ErrReservedKey, ErrInvalidTTL, ErrTooLarge, ErrUnsupported, ErrForeignCAS, ErrNoCAS,
//	               ErrBadOption, ErrCompressed, ErrReservedFlags, protocol.ErrInvalidRequest; a server's CLIENT_ERROR, as when
//	               what is to be incremented is no number
//	server-error   any other error line of a server; ErrSomeRefused
//	network-error  a net.Error
//	other          the rest: ErrBusy, a *CodecError, a *CompressionError, what the function of a load has returned
func ErrorClass(err error) string {
	if err == nil {
		return ""
	}
	for _, class := range errorClasses {
		if class.holds(err) {
			return class.name
		}
	}
	return "other"
}

// errorClasses are asked in this order: an error of several nodes matches the causes of all of them.
var errorClasses = []struct {
	name  string
	holds func(error) bool
}{
	{"cache-miss", isOneOf(ErrCacheMiss)},
	{"not-stored", isOneOf(ErrNotStored)},
	{"conflict", isOneOf(ErrCASConflict)},
	{"partial-write", isOneOf(ErrPartialWrite)},
	{"denied", isOneOf(ErrDenied)},
	{"closed", isOneOf(ErrClosed)},
	{"canceled", isOneOf(context.Canceled)},
	{"node-down", isOneOf(ErrNodeDown, ErrNoServers, ErrAuth)}, // before what has brought the node down
	{"timeout", isOneOf(ErrTimeout, context.DeadlineExceeded)},
	{"bad-request", isOneOf(ErrMalformedKey, ErrInvalidTTL, ErrTooLarge, ErrUnsupported, ErrForeignCAS, ErrNoCAS, ErrBadOption,
		ErrCompressed, ErrReservedFlags, protocol.ErrInvalidRequest)},
	{"bad-request", isClientError},
	{"server-error", isA[*protocol.ServerError]},
	{"server-error", isOneOf(ErrSomeRefused)},
	{"network-error", isA[net.Error]},
}

func isOneOf(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

// isClientError reports whether a server says that the request was wrong.
func isClientError(err error) bool {
	answered, ok := errors.AsType[*protocol.ServerError](err)
	return ok && answered.Kind == protocol.KindClientError
}

func isA[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
