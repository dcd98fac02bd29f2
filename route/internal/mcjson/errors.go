package mcjson

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrSyntax is the cause of an *Error about text that is no JSON.
	ErrSyntax = errors.New("mcjson: malformed JSON")
	// ErrLimit is the cause of an *Error about a bound of this package, or about imports that form a cycle. No default of
	// an import hides it.
	ErrLimit = errors.New("mcjson: configuration exceeds a bound")
)

// Error is a mistake in a configuration, with its place. All errors of this package are of this type.
type Error struct {
	Pos    Pos
	Reason string
	Calls  []Call // the macro calls that led here, innermost first
	Err    error  // ErrSyntax, ErrLimit, errors.ErrUnsupported for what mcrouter can and ours cannot, the error of Options.Import; or nil
}

// Call is one macro call: the macro's name and the place of the call.
type Call struct {
	Macro string
	Pos   Pos
}

// maxCallsShown is the number of calls that Error prints; Calls has them all.
const maxCallsShown = 4

// Error returns "file:line:column: " and the message.
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Message() }

// Message returns the reason, and the innermost macro calls if there are any.
func (e *Error) Message() string {
	var text strings.Builder
	text.WriteString(e.Reason)
	for i, call := range e.Calls {
		if i == maxCallsShown {
			fmt.Fprintf(&text, ", and %d calls more", len(e.Calls)-i)
			break
		}
		fmt.Fprintf(&text, ", in macro %q called at %s", call.Macro, call.Pos)
	}
	return text.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// frame is one macro call under way; values that the call makes keep it.
type frame struct {
	macro string
	pos   Pos
	outer *frame
}

// calls returns the frame and its outer ones as Calls.
func (f *frame) calls() []Call {
	var calls []Call
	for ; f != nil; f = f.outer {
		calls = append(calls, Call{Macro: f.macro, Pos: f.pos})
	}
	return calls
}

func limitError(pos Pos, made *frame, format string, args ...any) error {
	return &Error{Pos: pos, Reason: fmt.Sprintf(format, args...), Calls: made.calls(), Err: ErrLimit}
}
