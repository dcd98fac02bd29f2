package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// TwemproxyModula is twemproxy's "distribution: modula" (nc_modula.c): the key's hash modulo the sum of the weights, over
// the servers sorted by Server.KetamaName, shorter names first (nc_conf.c sorts every pool), each as often as its
// weight says. hash is FNV1a64 unless the pool has another one.
//
// The indexes are those of the list as given, whose order does not matter. The list has 1 to 65,536 servers of different
// names, whose weights add up to at most 2^32-1. A server more or less moves nearly every key.
func TwemproxyModula(servers []Server, hash Hash) (Func, error) {
	if err := checkServers("TwemproxyModula", servers); err != nil {
		return nil, err
	}
	if hash == nil {
		return nil, fmt.Errorf("placement: TwemproxyModula: %w", ErrHash)
	}
	order := sortedByName(servers)
	ends := make([]uint64, len(order)) // of each server's run of numbers, which begins where the one before ends
	var total uint64
	for i, node := range order {
		total += uint64(servers[node].weight())
		ends[i] = total
	}
	if total > math.MaxUint32 {
		return nil, fmt.Errorf("placement: TwemproxyModula: %w: the sum is %d, want at most 2^32-1", ErrWeight, total)
	}
	return func(key string) int {
		i, _ := slices.BinarySearch(ends, uint64(hash(key))%total+1)
		return order[i]
	}, nil
}

// sortedByName returns the indexes of the servers in twemproxy's order.
func sortedByName(servers []Server) []int {
	order := make([]int, len(servers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := servers[a].KetamaName(), servers[b].KetamaName()
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	})
	return order
}
