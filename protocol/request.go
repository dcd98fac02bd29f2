package protocol

// Command is what a request asks of a node, independent of the dialect that carries it.
type Command uint8

// The commands. Compare-and-swap is Set with the Compare flag.
const (
	Get         Command = iota + 1 // read a value
	GetAndTouch                    // read a value and give it a new exptime
	Touch                          // give an item a new exptime
	Set                            // store
	Add                            // store if there is no such item
	Replace                        // store if there is such an item
	Append                         // add data behind the value; flags and exptime stay
	Prepend                        // add data before the value; flags and exptime stay
	Delete                         // remove, or mark stale with Invalidate
	Increment                      // add to a decimal number, wrapping at 64 bits
	Decrement                      // subtract from a decimal number, stopping at 0
	Noop                           // nothing: the reply says that all before it was answered
	Version                        // the server's version
	Stats                          // name and value lines; Key selects the group, "" the general one
	FlushAll                       // forget every item; Exptime is the delay in seconds
	Debug                          // an item's internal figures, without touching it (meta only)
	Auth                           // text authentication; Value is "user password"
)

var commandNames = [...]string{
	"unknown", "get", "get-and-touch", "touch", "set", "add", "replace", "append", "prepend", "delete",
	"increment", "decrement", "noop", "version", "stats", "flush-all", "debug", "auth",
}

// String returns the command's name as errors and metrics show it.
func (c Command) String() string {
	if int(c) >= len(commandNames) {
		return commandNames[0]
	}
	return commandNames[c]
}

// IsStore reports whether the command sends a data block to be stored.
func (c Command) IsStore() bool { return c >= Set && c <= Prepend }

// IsArithmetic reports whether the command changes a number in place.
func (c Command) IsArithmetic() bool { return c == Increment || c == Decrement }

// IsKeyed reports whether the command is about one key.
func (c Command) IsKeyed() bool { return c >= Get && c <= Decrement || c == Debug }

// Mutates reports whether sending the command twice may differ from sending it once.
// Only commands that do not mutate are retried after a reply was lost.
func (c Command) Mutates() bool {
	return c.IsStore() || c.IsArithmetic() || c == Touch || c == GetAndTouch || c == Delete || c == FlushAll
}

// MetaFlags are the letters of the meta protocol that a request sends, or that a reply brought.
// A flag that carries a token takes it from the field of Request named beside it.
type MetaFlags uint32

// The flags, each with its letter and the commands that know it (g: mg, s: ms, d: md, a: ma).
const (
	ReturnValue      MetaFlags = 1 << iota // v (g, a): the value, or the new number
	ReturnFlags                            // f (g): client flags
	ReturnCAS                              // c (g, s, d, a): the item's CAS
	ReturnTTL                              // t (g, a): seconds left, -1 for ever
	ReturnSize                             // s (g): value size in bytes
	ReturnKey                              // k (g, s, d, a): the key
	ReturnHit                              // h (g): whether the item was read before
	ReturnLastAccess                       // l (g): seconds since the item was last read
	NoBump                                 // u (g): do not count this read as a use
	Quiet                                  // q: hide the nominal reply
	BinaryKey                              // b: the key travels as base64
	WithOpaque                             // O: the reply repeats the token, except on error lines
	Compare                                // C: only if the item's CAS equals Request.CAS
	ExplicitCAS                            // E: the item's new CAS is Request.NewCAS (1.6.27 and later)
	UpdateTTL                              // T (g, d, a): the item's exptime becomes Request.Exptime
	Vivify                                 // N (g, a, and s append): on a miss create the item with Request.VivifyTTL
	Recache                                // R (g): win the right to recache if fewer than Request.RecacheTTL seconds are left
	WithInitial                            // J (a): with Vivify, the number to start at is Request.Initial
	Invalidate                             // I (s, d): mark stale, or store over an older CAS as stale
	RemoveValue                            // x (d): keep the item, drop its value (1.6.27 and later)
)

// What a reply can tell beyond what was asked for.
const (
	Won   MetaFlags = 1 << (iota + 24) // W: the reader has the lease and should refill the item
	Stale                              // X: the item is marked stale
	Busy                               // Z: another reader has the lease
)

// Request is one request as a value: what to do, to which key, with what.
// The zero value of every field but Command and Key means "not said".
type Request struct {
	Command    Command
	Meta       MetaFlags // flags of the meta protocol; classic text carries only some of them
	Flags      uint32    // client flags, stored with the value
	Key        string    // 1 to 250 bytes, see CheckKey
	Value      []byte    // the data block of a store; not kept after the request was encoded
	Exptime    int64     // exptime of a store or touch, delay of FlushAll; see Exptime
	Delta      uint64    // by how much to increment or decrement
	CAS        uint64    // for Compare
	NewCAS     uint64    // for ExplicitCAS
	Initial    uint64    // for WithInitial
	VivifyTTL  int64     // seconds, for Vivify
	RecacheTTL int64     // seconds, for Recache
}

// Has reports whether every flag of f is set in the request.
func (r *Request) Has(f MetaFlags) bool { return r.Meta&f == f }
