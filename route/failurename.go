package route

import (
	"errors"
	"fmt"
)

// failureNames are mcrouter's names of errors, lower-case and without the prefix mc_res_, and which failures here they
// are. Some of its errors cannot happen here; they are known all the same, so that a configuration that names them loads.
var failureNames = map[string]Failure{
	"timeout":           FailTimeout,
	"connect_timeout":   FailConnectTimeout,
	"connect_error":     FailConnect,
	"tko":               FailDown,
	"remote_error":      FailServer | FailBroken | FailOther,
	"busy":              FailBusy,
	"try_again":         FailBusy,
	"shutdown":          FailClosed,
	"local_error":       FailClosed,
	"client_error":      FailClient,
	"bad_command":       FailClient,
	"bad_key":           FailRequest,
	"bad_value":         FailRequest,
	"bad_flags":         FailRequest,
	"bad_exptime":       FailRequest,
	"bad_cas_id":        FailRequest,
	"bad_lease_id":      0,
	"aborted":           FailContext,
	"deadline_exceeded": FailContext,
	"ooo":               FailBroken,
	"overloaded":        0,
	"unknown":           FailOther,
	"permission_denied": FailClient,
	"hot_key":           0,
}

// ErrFailureName means that mcrouter has no error of that name.
var ErrFailureName = errors.New("memcache: no such error name")

// ParseFailure returns the failures that mcrouter's name of an error stands for: "timeout", "tko", "remote_error" and so
// on. A name of an error that cannot happen here stands for none.
func ParseFailure(name string) (Failure, error) {
	f, ok := failureNames[name]
	if !ok {
		return 0, fmt.Errorf("%w: %q", ErrFailureName, name)
	}
	return f, nil
}
