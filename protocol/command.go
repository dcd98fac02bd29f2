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

// commandCount is one more than the largest command.
const commandCount = Auth + 1

var commandNames = [commandCount]string{
	"unknown", "get", "get-and-touch", "touch", "set", "add", "replace", "append", "prepend", "delete",
	"increment", "decrement", "noop", "version", "stats", "flush-all", "debug", "auth",
}

// String returns the command's name as errors and metrics show it.
func (c Command) String() string {
	if c >= commandCount {
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
// Only commands that do not mutate are retried after a reply was lost. Flags can make a Get mutate too: see
// Request.Mutates.
func (c Command) Mutates() bool {
	return c.IsStore() || c.IsArithmetic() || c == Touch || c == GetAndTouch || c == Delete || c == FlushAll
}

// commandSet is a set of commands, one bit each.
type commandSet uint32

func commands(list ...Command) (s commandSet) {
	for _, c := range list {
		s |= 1 << c
	}
	return s
}

func (s commandSet) has(c Command) bool { return s>>c&1 != 0 }

// The families of commands that share a line of a table.
var (
	metaReads  = commands(Get, GetAndTouch, Touch) // mg
	stores     = commands(Set, Add, Replace, Append, Prepend)
	arithmetic = commands(Increment, Decrement)
)
