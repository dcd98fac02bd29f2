package pool

import (
	"errors"
	"fmt"

	"github.com/nohop/memcache/protocol"
)

// What can keep a request from being answered. They come wrapped in an *Error.
var (
	ErrTimeout    error = timeoutError{}
	ErrNodeDown         = errors.New("memcache: node is down")
	ErrClosed           = errors.New("memcache: client is closed")
	ErrTooLarge         = errors.New("memcache: value is larger than the limit")
	ErrForeignCAS       = errors.New("memcache: CAS was read by another client, or from another node than the key's home")
	ErrBroken           = errors.New("memcache: connection broke")

	// ErrSomeRefused comes of stores that were written together and answered together, when the node has refused some of
	// them and does not say which. For ten minutes after that it is asked to answer each.
	ErrSomeRefused = errors.New("memcache: the node refused some of the stores that were written together, perhaps this one")

	// ErrMissedWrite matches ErrNodeDown too: for this key, the node is not to be asked.
	ErrMissedWrite error = missedError{}

	// ErrJoining matches ErrNodeDown too: the node is not to be read yet, or not any more (Node.Joining).
	ErrJoining error = joiningError{}
)

type joiningError struct{}

func (joiningError) Error() string        { return "memcache: node is joining or leaving" }
func (joiningError) Is(target error) bool { return target == ErrNodeDown }

type missedError struct{}

func (missedError) Error() string        { return "memcache: node has missed a write of this key" }
func (missedError) Is(target error) bool { return target == ErrNodeDown }

// timeoutError is what ErrTimeout holds: the try's time is over, the caller's context is not. It is a net.Error.
type timeoutError struct{}

func (timeoutError) Error() string   { return "memcache: no answer within the timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// Outcome says what a failed request may have done at the node.
type Outcome uint8

// The outcomes of a request that failed.
const (
	NotSent   Outcome = iota + 1 // no byte was written: nothing happened, and it may be sent elsewhere
	Ambiguous                    // it was written, perhaps in part; it may have been done, or may be done later
	Refused                      // the node answered that it did not do it
)

var outcomeNames = [...]string{"unknown", "not sent", "ambiguous", "refused"}

// String returns the outcome in words.
func (o Outcome) String() string {
	if int(o) >= len(outcomeNames) {
		return outcomeNames[0]
	}
	return outcomeNames[o]
}

// Error is why a node did not answer a request, or refused it. It names the node and never the key.
type Error struct {
	Node    string
	Command protocol.Command
	Outcome Outcome
	Err     error // the cause: one of this package's, of protocol's, a context's or a net error
}

func (e *Error) Error() string {
	if e.Node == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s at %s: %v", e.Command, e.Node, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the cause is a timeout, as net.Error does.
func (e *Error) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.Err, &t) && t.Timeout()
}

// brokenError is ErrBroken with what broke the connection.
type brokenError struct{ cause error }

func (e *brokenError) Error() string        { return ErrBroken.Error() + ": " + e.cause.Error() }
func (e *brokenError) Is(target error) bool { return target == ErrBroken }
func (e *brokenError) Unwrap() error        { return e.cause }

// outcome says what is known of a call that ended with an error.
func (c *call) outcome() Outcome {
	var refused *protocol.ServerError
	switch {
	case !c.sent:
		return NotSent
	case errors.As(c.err, &refused) && refused.InSync():
		return Refused
	}
	return Ambiguous
}
