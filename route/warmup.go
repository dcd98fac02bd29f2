package route

import (
	"time"

	"github.com/nohop/memcache/protocol"
)

// WarmUp puts a cold route into service before it is full: a get asks cold and, on a miss or if cold's node fails, warm; a
// hit there is returned, and added to cold in the background. If warm fails too, or misses, that is the reply.
//
// The copy keeps its client flags and the time it has left, and stays for ttl at most; 0 means as long as in warm. Where
// warm's node knows only classic text it cannot tell that time, so with a ttl of 0 nothing is added. Not added is what is
// stale or being recached, nor anything after a failure of cold.
//
// A get for update and a get-and-touch wait for the add and then ask cold again, so that CAS and exptime are cold's; they
// miss where nothing can be added, and a failure of cold is theirs. A get that is given cold's lease for a missing item
// returns warm's value and leaves the lease to the add, or returns the lease if warm has nothing that can be added. All
// writes and deletes, read-modify-writes among them, take effect at cold alone; what warm has and cold has not they do not
// see, and a delete is forgotten at the next get unless warm's item is deleted too.
//
// ttl must not be negative, nor end past 2038.
func WarmUp(cold, warm Route, ttl time.Duration, b *Background) (Route, error) {
	if err := checkParts(b, cold, warm); err != nil {
		return nil, err
	}
	if _, err := protocol.Exptime(ttl, time.Now()); err != nil {
		return nil, err
	}
	return &fillUp{name: "warm-up", first: cold, second: warm, ttl: ttl, background: b}, nil
}
