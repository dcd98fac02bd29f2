package memcache

import (
	"context"
	"errors"
	"net"

	"github.com/nohop/memcache/protocol"
)

// ErrorClass names an error by one of a few words, for labels of metrics and the like: "" for nil, "cache-miss", "not-stored",
// "conflict", "partial-write", "denied", "canceled", "timeout", "node-down", "bad-request", "server-error", "network-error", "other".
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
	{"canceled", isOneOf(context.Canceled)},
	{"timeout", isOneOf(ErrTimeout, context.DeadlineExceeded)},
	{"node-down", isOneOf(ErrNodeDown, ErrNoServers, ErrClosed)},
	{"bad-request", isOneOf(ErrMalformedKey, ErrInvalidTTL, ErrTooLarge, ErrUnsupported, ErrForeignCAS, ErrNoCAS, ErrBadOption,
		ErrCompressed, ErrReservedFlags)},
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

func isA[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}
