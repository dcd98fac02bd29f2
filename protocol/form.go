package protocol

import "errors"

// ErrUnsupported means that the node's dialect has no way to say the request.
var ErrUnsupported = errors.New("memcache: not supported by the server's protocol version")

// Form is how a request is put on the wire. It decides what the reply looks like.
type Form uint8

// The forms.
const (
	FormMeta  Form = iota + 1 // one meta command: one reply line, perhaps a data block
	FormText                  // one classic command: one reply line
	FormLine                  // a key of a classic "gets" line: a VALUE line with a data block if it hit; END closes the line
	FormStats                 // "stats": STAT lines, then END
)

// lineFlags are what a classic "gets" line returns.
const lineFlags = ReturnValue | ReturnFlags | ReturnCAS

// Plan chooses the form for a request to a node that speaks d, or returns ErrUnsupported.
//
// A plain read takes FormLine in every dialect: many keys share a line, which costs client and server less than a meta
// command each, and the reply repeats the key, so that a shifted reply is always detected.
func Plan(d Dialect, r *Request) (Form, error) {
	switch r.Command {
	case Get:
		if r.Meta&^lineFlags == 0 {
			return FormLine, nil
		}
	case Version, FlushAll, Auth:
		return FormText, nil
	case Stats:
		return FormStats, nil
	}
	if d.HasMeta() {
		return planMeta(d, r)
	}
	return planText(r)
}

func planMeta(d Dialect, r *Request) (Form, error) {
	if r.Has(ExplicitCAS) && d < MetaExCAS || r.Has(RemoveValue) && d < MetaExCAS {
		return 0, ErrUnsupported
	}
	if r.Command == Get && r.Has(Compare) && d < MetaCondGet {
		return 0, ErrUnsupported
	}
	return FormMeta, nil
}

// planText refuses what classic text cannot say. Flags that only ask for more in the reply are refused too: an
// answer without them would look like an item without them.
func planText(r *Request) (Form, error) {
	switch {
	case r.Command == GetAndTouch && r.Meta&^(lineFlags|UpdateTTL) == 0:
		return FormLine, nil
	case r.Command == Set && r.Meta&^(Compare|WithOpaque) == 0,
		r.Command == Touch && r.Meta&^(UpdateTTL|WithOpaque) == 0,
		r.Command.IsArithmetic() && r.Meta&^(ReturnValue|WithOpaque) == 0,
		r.Command == Noop,
		r.Command != Get && r.Command != GetAndTouch && r.Command != Debug && r.Meta&^WithOpaque == 0:
		return FormText, nil
	}
	return 0, ErrUnsupported
}
