package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// ErrConfigured is the error of a route that was made to fail.
var ErrConfigured = errors.New("memcache: refused by configuration")

// errorRoute answers with an error.
type errorRoute struct{ err error }

// Error sends nothing and fails each op with err, as a *pool.Error whose Outcome is NotSent; nil means ErrConfigured.
func Error(err error) Route {
	if err == nil {
		err = ErrConfigured
	}
	return &errorRoute{err}
}

// NamedError is Error with what an mcrouter result is here: "timeout", "connect_timeout", "connect_error", "tko",
// "remote_error", "busy", "try_again", "shutdown", "client_error" or "local_error", with or without "mc_res_" before it. For
// Failover it is of the kind that such a failure of a node is. Another name is ErrFailureName.
func NamedError(name string) (Route, error) {
	name, _ = strings.CutPrefix(name, "mc_res_")
	err, ok := namedErrors[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrFailureName, name)
	}
	return Error(err), nil
}

var namedErrors = map[string]error{
	"timeout":         pool.ErrTimeout,
	"connect_timeout": notConnected(os.ErrDeadlineExceeded),
	"connect_error":   notConnected(syscall.ECONNREFUSED),
	"tko":             pool.ErrNodeDown,
	"remote_error":    &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR " + configured},
	"busy":            &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR busy: " + configured},
	"try_again":       &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR try again: " + configured},
	"shutdown":        pool.ErrClosed,
	"client_error":    &protocol.ServerError{Kind: protocol.KindClientError, Text: "CLIENT_ERROR " + configured},
	"local_error":     ErrConfigured,
}

const configured = "refused by configuration"

func notConnected(cause error) error {
	return fmt.Errorf("%w: %w", pool.ErrNodeDown, &net.OpError{Op: "dial", Net: "tcp", Err: cause})
}

func (e *errorRoute) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		refuse(op, e.err)
	}
}

func (e *errorRoute) Explain(*Op) Step { return Step{Route: "error", Why: e.err.Error()} }
