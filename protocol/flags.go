package protocol

// MetaFlags are the letters of the meta protocol that a request sends, or that a reply brought.
// A flag that carries a token takes it from the field of Request named beside it.
type MetaFlags uint32

// The flags, each with its letter and the commands that know it (g: mg, s: ms, d: md, a: ma; doc/protocol.txt, "Meta
// Get" to "Meta Arithmetic"). Of one that the server's version does not know, Plan returns ErrUnsupported.
const (
	ReturnValue      MetaFlags = 1 << iota // v (g, a): the value, or the new number
	ReturnFlags                            // f (g): client flags
	ReturnCAS                              // c (g, s, a): the item's CAS
	ReturnTTL                              // t (g, a): seconds left, -1 for ever
	ReturnSize                             // s (g, s): value size in bytes
	ReturnKey                              // k (g, s, d, a): the key
	ReturnHit                              // h (g): whether the item was read before
	ReturnLastAccess                       // l (g): seconds since the item was last read
	NoBump                                 // u (g): do not count this read as a use
	Quiet                                  // q (g, s, d, a): hide the nominal reply: EN of mg, HD of the others
	BinaryKey                              // b (g, s, d, a, me): the key travels as base64
	WithOpaque                             // O (g, s, d, a): the reply repeats the token, except on error lines
	Compare                                // C (g, s, d, a): only if the item's CAS equals Request.CAS; g: the value only if it differs
	ExplicitCAS                            // E (g, s, d, a): the changed item's new CAS is Request.NewCAS
	UpdateTTL                              // T (g, s, d, a): the item's exptime becomes Request.Exptime
	Vivify                                 // N (g, a, s append): on a miss create the item with Request.VivifyTTL
	Recache                                // R (g): win the right to recache if fewer than Request.RecacheTTL seconds are left
	WithInitial                            // J (a): with Vivify, the number to start at is Request.Initial
	Invalidate                             // I (s, d): mark stale, or with Compare store over a newer CAS as stale
	RemoveValue                            // x (d): keep the item, drop its value
)

// What a reply can tell beyond what was asked for.
const (
	Won   MetaFlags = 1 << (iota + 24) // W: the reader has the lease and should refill the item
	Stale                              // X: the item is marked stale
	Busy                               // Z: another reader has the lease
)

const (
	// lineFlags are what a classic "gets" line returns.
	lineFlags = ReturnValue | ReturnFlags | ReturnCAS
	// returnFlags ask for something in the reply.
	returnFlags = lineFlags | ReturnTTL | ReturnSize | ReturnKey | ReturnHit | ReturnLastAccess
	// commonFlags are known to mg, ms, md and ma.
	commonFlags = ReturnKey | Quiet | BinaryKey | WithOpaque
	// readFlags are what mg knows in every version.
	readFlags = returnFlags | commonFlags | NoBump | UpdateTTL | Vivify | Recache
	// storeFlags are what ms knows in every version and mode.
	storeFlags = commonFlags | ReturnCAS | UpdateTTL
	// countFlags are what ma knows in every version.
	countFlags = commonFlags | ReturnValue | ReturnCAS | ReturnTTL | Compare | Vivify | WithInitial | UpdateTTL
	// deleteFlags are what md knows in every version.
	deleteFlags = commonFlags | Compare | Invalidate | UpdateTTL
)

// flagsSince is the one table of which command obeys which flag, and from which dialect on; a dialect has what those
// before it have. A flag that a server does not know costs the connection ("CLIENT_ERROR invalid flag"); one that it
// knows and ignores would make the reply look like an item without what was asked for. Source: doc/protocol.txt and
// the command functions of memcached's tags 1.6.13 to 1.6.45. The s of ms and the N of its append came with 1.6.20,
// between two dialects, and count for the later one.
var flagsSince = [MetaCondGet + 1][commandCount]MetaFlags{
	Text: {
		Get: lineFlags, GetAndTouch: lineFlags | UpdateTTL, Touch: UpdateTTL,
		Set: Compare | UpdateTTL, Add: UpdateTTL, Replace: UpdateTTL, Append: UpdateTTL, Prepend: UpdateTTL,
		Increment: ReturnValue, Decrement: ReturnValue,
	},
	MetaBasic: {
		Get: readFlags, GetAndTouch: readFlags, Touch: readFlags,
		Set: storeFlags | Compare | Invalidate, Replace: storeFlags | Compare | Invalidate, Add: storeFlags,
		Append: storeFlags | Compare, Prepend: storeFlags | Compare,
		Delete: deleteFlags, Increment: countFlags, Decrement: countFlags, Debug: BinaryKey,
	},
	MetaExCAS: {
		Get: ExplicitCAS, GetAndTouch: ExplicitCAS, Touch: ExplicitCAS,
		Set: ExplicitCAS | ReturnSize, Add: ExplicitCAS | ReturnSize, Replace: ExplicitCAS | ReturnSize,
		Append: ExplicitCAS | ReturnSize | Vivify, Prepend: ExplicitCAS | ReturnSize | Vivify,
		Delete: ExplicitCAS | RemoveValue, Increment: ExplicitCAS, Decrement: ExplicitCAS,
	},
	MetaCondGet: {Get: Compare, GetAndTouch: Compare, Touch: Compare},
}

// knownFlags is flagsSince summed up to each dialect. Every command takes WithOpaque, sent or not.
var knownFlags = func() (known [MetaCondGet + 1][commandCount]MetaFlags) {
	for d := range known {
		for c := range known[d] {
			known[d][c] = flagsSince[d][c] | WithOpaque
			if d > 0 {
				known[d][c] |= known[d-1][c]
			}
		}
	}
	return known
}()
