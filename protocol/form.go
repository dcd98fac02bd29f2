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
	FormQuiet                 // one of several stores, sent as FormMeta with Quiet: an error line for each that is refused, then MN
)

// Plan chooses the form for a request to a node that speaks d, or returns ErrUnsupported if d lacks the command or one
// of its flags. Unknown is planned as Text; of that, servers before 1.5.3 lack the command of GetAndTouch.
//
// It never chooses FormQuiet: that takes several stores, see CanBeQuiet.
//
// A plain read takes FormLine in every dialect: many keys share a line, which costs client and server less than a meta
// command each, and the reply repeats the key, so that a shifted reply is always detected without an opaque. A large
// conditional store takes FormText, which spares the item that is there if the server refuses the new one.
func Plan(d Dialect, r *Request) (Form, error) {
	if r.Command == Get && r.Meta&^(lineFlags|WithOpaque) == 0 {
		return FormLine, nil
	}
	if d > MetaCondGet || r.Command >= commandCount {
		return 0, ErrUnsupported
	}
	if r.Meta&^knownFlags[max(d, Text)][r.Command] != 0 {
		return 0, ErrUnsupported
	}
	if d.HasMeta() && !r.endangersItem() {
		return metaForms[r.Command].orUnsupported()
	}
	return textForms[r.Command].orUnsupported()
}

// largeStore is from which size on a value may be over the server's limit (-I, 1 MiB unless set).
const largeStore = 512 << 10

// endangersItem reports whether r is a conditional store so large that the server may refuse it. "ms" of any mode then
// deletes the item that is there; the classic commands, "set" apart, leave it alone (recorded on 1.6.18).
func (r *Request) endangersItem() bool {
	conditional := r.Command.IsStore() && (r.Command != Set || r.Has(Compare))
	return conditional && len(r.Value) >= largeStore && r.Meta&^(WithOpaque|flagsSince[Text][r.Command]) == 0
}

// metaForms and textForms hold each command's form; 0 for none.
var (
	metaForms = [commandCount]Form{
		Get: FormMeta, GetAndTouch: FormMeta, Touch: FormMeta,
		Set: FormMeta, Add: FormMeta, Replace: FormMeta, Append: FormMeta, Prepend: FormMeta,
		Delete: FormMeta, Increment: FormMeta, Decrement: FormMeta, Noop: FormMeta, Debug: FormMeta,
		Version: FormText, FlushAll: FormText, Auth: FormText, Stats: FormStats,
	}
	textForms = [commandCount]Form{
		Get: FormLine, GetAndTouch: FormLine, Touch: FormText,
		Set: FormText, Add: FormText, Replace: FormText, Append: FormText, Prepend: FormText,
		Delete: FormText, Increment: FormText, Decrement: FormText, Noop: FormText,
		Version: FormText, FlushAll: FormText, Auth: FormText, Stats: FormStats,
	}
)

func (f Form) orUnsupported() (Form, error) {
	if f == 0 {
		return 0, ErrUnsupported
	}
	return f, nil
}
