package route

import "github.com/nohop/memcache/protocol"

// Groups are the routes of operation groups. A nil one is not set.
type Groups struct {
	Get        Route // get, get for update, get-and-touch
	Update     Route // set, add, replace, append, prepend, compare-and-swap
	Delete     Route
	Arithmetic Route // increment, decrement
}

var getGroup = []protocol.Command{protocol.Get, GetForUpdate, protocol.GetAndTouch}
var updateGroup = []protocol.Command{
	protocol.Set, CompareAndSwap, protocol.Add, protocol.Replace, protocol.Append, protocol.Prepend,
}
var deleteGroup = []protocol.Command{protocol.Delete}
var arithmeticGroup = []protocol.Command{protocol.Increment, protocol.Decrement}

// ByGroup sends each op to the route of its group; those of a group without one, and all that is in no group (touch and
// what is about no key), go to fallback.
func ByGroup(fallback Route, g Groups) Selector {
	routes := make(map[protocol.Command]Route)
	for _, group := range []struct {
		route   Route
		members []protocol.Command
	}{{g.Get, getGroup}, {g.Update, updateGroup}, {g.Delete, deleteGroup}, {g.Arithmetic, arithmeticGroup}} {
		for _, c := range group.members {
			if group.route != nil {
				routes[c] = group.route
			}
		}
	}
	return ByOperation(fallback, routes)
}
