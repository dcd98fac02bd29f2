package route

import (
	"cmp"
	"slices"
	"strconv"
)

// LatestOptions say which children Latest chooses.
type LatestOptions struct {
	HostID   uint64    // of this process
	Salt     string    // for another choice with the same HostID
	Count    int       // how many are chosen; 0: 5
	Weights  []float64 // of the children, by index; nil: equal, missing ones 0.5
	Failover FailoverOptions
}

const defaultLatestCount = 5

// Latest chooses some of children by this host's identity, and is FailoverList over them: every request goes to the same
// child, whatever its key, until that one fails. Another host has another order. If all that were chosen fail, the last
// failure is the answer, though there may be children that were not chosen.
func Latest(children []Route, o LatestOptions) (Route, error) {
	if len(children) == 0 {
		return nil, ErrNoMembers
	}
	if o.Count < 0 {
		return nil, ErrBadReplica
	}
	for _, w := range o.Weights {
		if !(w >= 0) {
			return nil, ErrBadWeight
		}
	}
	chosen := slices.Clone(children)[:0]
	for _, i := range o.order(len(children)) {
		chosen = append(chosen, children[i])
	}
	return FailoverList(chosen[:min(len(chosen), cmp.Or(o.Count, defaultLatestCount))], o.Failover)
}

// order returns the indexes of n children by falling rendezvous score for this host.
func (o *LatestOptions) order(n int) []int {
	members := make([]Member, n)
	for i := range members {
		members[i] = Member{Name: strconv.Itoa(i), Weight: o.weight(i)}
	}
	ranked := newRanking(members)
	host := HashKey(strconv.FormatUint(o.HostID, 10) + o.Salt)
	order := make([]int, 0, n)
	for _, i := range ranked.top(int(host>>33), n) { // 31 bits, so that it is the same number where an int has 32
		if o.weight(int(i)) > 0 {
			order = append(order, int(i))
		}
	}
	if len(order) == 0 {
		order = append(order, 0)
	}
	return order
}

func (o *LatestOptions) weight(i int) float64 {
	switch {
	case o.Weights == nil:
		return 1
	case i < len(o.Weights):
		return o.Weights[i]
	}
	return 0.5
}
