package route

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// ErrPartialWrite means that a write reached some of its replicas and not others, which may now hold another value or
// none. errors.As with *WriteError says which.
var ErrPartialWrite = errors.New("memcache: partial write")

// WriteError is a replicated write that did not reach every replica.
type WriteError struct {
	Command protocol.Command
	Acked   int     // replicas that acknowledged
	Failed  []error // one for each that did not: a *pool.Error says which node, and what is known of it
}

func (e *WriteError) Error() string {
	texts := make([]string, len(e.Failed))
	for i, err := range e.Failed {
		texts[i] = err.Error()
	}
	return fmt.Sprintf("memcache: %s acknowledged by %d of %d replicas: %s",
		e.Command, e.Acked, e.Acked+len(e.Failed), strings.Join(texts, "; "))
}

// Is reports that a write which some replica has acknowledged is an ErrPartialWrite.
func (e *WriteError) Is(target error) bool { return target == ErrPartialWrite && e.Acked > 0 }

// Unwrap returns the errors of the replicas that failed.
func (e *WriteError) Unwrap() []error { return e.Failed }

// Outcome returns what is known of the node of that name: its pool.Outcome if it failed, 0 if it acknowledged.
func (e *WriteError) Outcome(node string) pool.Outcome {
	for _, err := range e.Failed {
		var failed *pool.Error
		if errors.As(err, &failed) && failed.Node == node {
			return failed.Outcome
		}
	}
	return 0
}
