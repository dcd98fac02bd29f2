package protocol

// Request is one request as a value: what to do, to which key, with what.
// The zero value of every field but Command and Key means "not said".
type Request struct {
	Command    Command
	Meta       MetaFlags // flags of the meta protocol; classic text carries only some of them, see Plan
	Flags      uint32    // client flags, stored with the value
	Key        string    // 1 to 250 bytes, see CheckKey; for Stats the group
	Value      []byte    // the data block of a store; not kept after the request was encoded
	Exptime    int64     // exptime of a store or touch, and for UpdateTTL; delay of FlushAll; see the function Exptime
	Delta      uint64    // by how much to increment or decrement
	CAS        uint64    // for Compare
	NewCAS     uint64    // for ExplicitCAS
	Initial    uint64    // for WithInitial
	VivifyTTL  int64     // exptime of the new item, for Vivify; 0 lets a lease that is never filled stand for ever
	RecacheTTL int64     // seconds, at most 30 days, for Recache
}

// Has reports whether every flag of f is set in the request.
func (r *Request) Has(f MetaFlags) bool { return r.Meta&f == f }

// Mutates reports whether sending the request twice may differ from sending it once: the command does, or a flag makes
// a read do more. A Get with Vivify or Recache takes the lease, and a second one would see it taken.
func (r *Request) Mutates() bool {
	return r.Command.Mutates() || r.Meta&(Vivify|Recache|UpdateTTL) != 0
}

// sendsExptime reports whether the request carries an exptime: always for touches, for stores unless it is "never"
// (which is what a store without T means).
func (r *Request) sendsExptime() bool {
	if r.Command == Touch || r.Command == GetAndTouch || r.Has(UpdateTTL) {
		return true
	}
	return r.Command.IsStore() && r.Exptime != 0
}
