package route

import "github.com/nohop/memcache/protocol"

// Operations that are no commands of their own but that routes tell apart from the command that carries them.
const (
	CompareAndSwap = protocol.Auth + 1 + iota // a Set with the Compare flag
	GetForUpdate                              // a Get with Op.ForUpdate: "gets", of which the CAS is used
	operationCount
)

// OperationOf returns what op asks: its command, CompareAndSwap or GetForUpdate.
func OperationOf(op *Op) protocol.Command {
	switch c := op.Request.Command; {
	case c == protocol.Set && op.Request.Has(protocol.Compare):
		return CompareAndSwap
	case c == protocol.Get && op.ForUpdate:
		return GetForUpdate
	default:
		return min(c, protocol.Auth) // a command that does not exist is refused at the node
	}
}

// decidedByItem holds the operations whose result depends on the item that is there. Done at each replica they would
// leave different values, so they are done at one, the key's home.
var decidedByItem = [operationCount]bool{
	protocol.Add: true, protocol.Replace: true, protocol.Append: true, protocol.Prepend: true,
	protocol.Increment: true, protocol.Decrement: true, CompareAndSwap: true,
}

// isReadModifyWrite reports whether op must take effect in one place.
func isReadModifyWrite(op *Op) bool { return decidedByItem[OperationOf(op)] }

// operationName returns the name of what OperationOf returns.
func operationName(c protocol.Command) string {
	switch c {
	case CompareAndSwap:
		return "compare-and-swap"
	case GetForUpdate:
		return "get-for-update"
	}
	return c.String()
}
