package placement

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

const (
	// maxServers bounds the rings: 2^16 servers have ten million points, 84 MB.
	maxServers = 1 << 16

	// pointsPerMD5 is how many points ketama takes from one MD5, four bytes each.
	pointsPerMD5 = 4

	// weightedPoints is libmemcached's MEMCACHED_POINTS_PER_SERVER_KETAMA and twemproxy's KETAMA_POINTS_PER_SERVER.
	weightedPoints = 160

	// plainPoints is libmemcached's MEMCACHED_POINTS_PER_SERVER.
	plainPoints = 100
)

// Ketama is the weighted ketama ring of libmemcached and twemproxy (libmemcached hosts.cc, update_continuum; twemproxy
// nc_ketama.c, ketama_update): 160 points for each server of average weight, four from each MD5 of "name-i", where the
// name is Server.KetamaName. The key hash is
//
//   - MD5 for libmemcached with KETAMA_WEIGHTED, as PHP's OPT_LIBKETAMA_COMPATIBLE sets it;
//   - FNV1a64 for twemproxy's default, MD5 for its "hash: md5";
//   - OneAtATime for libmemcached with KETAMA alone, where at least one weight is above 1.
//
// The order of the list does not matter. Removing a server moves its keys, spread over the others, and next to none
// else; with unequal weights, or if the average weight changes, a few more. A server whose share is below one 40th of
// the average gets no point and no key.
//
// The list has 1 to 65,536 servers of different names; errors wrap ErrSize, ErrServer, ErrWeight or ErrHash.
func Ketama(servers []Server, keyHash Hash) (Func, error) {
	if err := checkServers("Ketama", servers); err != nil {
		return nil, err
	}
	points := make([]Point, 0, weightedPoints*len(servers))
	for i, digests := range digestsPerServer(servers) {
		points = AppendKetama(points, i, servers[i].KetamaName(), digests)
	}
	return Ring(points, keyHash)
}

// digestsPerServer shares 40 digests per server out by weight, in the 32-bit floating-point arithmetic of the originals
// and in their order of operations. They also add 1e-10 before they round down, which changes no 32-bit number of 1
// or more.
func digestsPerServer(servers []Server) []int {
	var total uint64
	for _, s := range servers {
		total += uint64(s.weight())
	}
	digests := make([]int, len(servers))
	for i, s := range servers {
		share := float32(s.weight()) / float32(total)
		digests[i] = int(math.Floor(float64(share * weightedPoints / pointsPerMD5 * float32(len(servers)))))
	}
	return digests
}

// AppendKetama appends the points that ketama gives to a node: four little-endian numbers from each of the MD5s of
// "name-0", "name-1" and so on up to the number of digests.
func AppendKetama(points []Point, node int, name string, digests int) []Point {
	for i := range digests {
		sum := md5Sum(bytesOf(name + "-" + strconv.Itoa(i)))
		for j := range pointsPerMD5 {
			points = append(points, Point{Hash: binary.LittleEndian.Uint32(sum[4*j:]), Node: node})
		}
	}
	return points
}

// KetamaUnweighted is libmemcached's consistent distribution as it is without weights (MEMCACHED_BEHAVIOR_KETAMA or
// MEMCACHED_DISTRIBUTION_CONSISTENT, and no weight above 1): 100 points per server, hash("name-i"), with the same hash
// for points and keys. It is OneAtATime unless the client was given another one, and is not the ring of other ketama
// clients. PHP's OPT_DISTRIBUTION = DISTRIBUTION_CONSISTENT and pylibmc's "ketama" are this one.
//
// The order of the list does not matter. Removing a server moves its keys and no others. Errors are those of Ketama; a
// weight above 1 is one of them, as it makes libmemcached use the weighted ring.
func KetamaUnweighted(servers []Server, hash Hash) (Func, error) {
	if err := checkServers("KetamaUnweighted", servers); err != nil {
		return nil, err
	}
	if hash == nil {
		return nil, fmt.Errorf("placement: KetamaUnweighted: %w", ErrHash)
	}
	points := make([]Point, 0, plainPoints*len(servers))
	for i, s := range servers {
		if s.Weight > 1 {
			return nil, fmt.Errorf("placement: KetamaUnweighted: %w: %d of server %d", ErrWeight, s.Weight, i)
		}
		for j := range plainPoints {
			points = append(points, Point{Hash: hash(s.KetamaName() + "-" + strconv.Itoa(j)), Node: i})
		}
	}
	return Ring(points, hash)
}
