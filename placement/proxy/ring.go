package proxy

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/nohop/memcache/placement"
	"github.com/zeebo/xxh3"
)

// Mode is the way in which the ring's points are made: the option "omode" of mcp.dist_ring_hash.
type Mode int

// The modes of proxy_ring_hash.c. All but Default take four points from each MD5 of a name.
const (
	Default   Mode = iota // XXH3 of "host:port-i", one point each
	Ketama                // MD5 of "host:port-i", also for port 11211
	Twemproxy             // MD5 of "host-i" for port 11211, else "host:port-i": libmemcached and twemproxy without weights
	EVCache               // MD5 of "host/host:port-i"
)

// ErrRing means that a ring's mode or number of buckets is none that the proxy can have.
var ErrRing = errors.New("bad ring option")

const (
	defaultBuckets = 160
	maxPoints      = 1 << 24 // of one ring; 128 MB
	pointsPerMD5   = 4
)

// Ring is the placement of mcp.dist_ring_hash. buckets is the option "obuckets", the number of points per server; 0
// means 160. The modes with MD5 need a multiple of 4: the proxy itself would leave some points unset otherwise. hash is
// Hash32(seed), or placement.MD5 for a pool with hash = mcp.dist_ring_hash.hash.
//
// A server's Host is as written in the proxy's configuration; it has no Name, and no Weight above 1, because the proxy
// knows neither. The order of the list does not matter. Removing a server moves its keys and no others. Errors wrap
// ErrRing or those of placement.Ketama.
func Ring(servers []placement.Server, mode Mode, buckets int, hash placement.Hash) (placement.Func, error) {
	if buckets == 0 {
		buckets = defaultBuckets
	}
	if err := check(servers, mode, buckets); err != nil {
		return nil, err
	}
	points := make([]placement.Point, 0, len(servers)*buckets)
	for i, s := range servers {
		if mode == Default {
			points = appendDefault(points, i, s.HostPort(), buckets)
			continue
		}
		points = placement.AppendKetama(points, i, mode.name(s), buckets/pointsPerMD5)
	}
	return placement.Ring(points, hash)
}

func check(servers []placement.Server, mode Mode, buckets int) error {
	switch {
	case mode < Default || mode > EVCache:
		return fmt.Errorf("placement/proxy: Ring: %w: mode %d", ErrRing, mode)
	case buckets < 0 || len(servers) > 0 && buckets > maxPoints/len(servers):
		return fmt.Errorf("placement/proxy: Ring: %w: %d buckets for each of %d servers", ErrRing, buckets, len(servers))
	case mode != Default && buckets%pointsPerMD5 != 0:
		return fmt.Errorf("placement/proxy: Ring: %w: %d buckets, want a multiple of %d", ErrRing, buckets, pointsPerMD5)
	}
	return checkServers(servers)
}

// checkServers refuses two servers on the same points, and what the proxy does not have.
func checkServers(servers []placement.Server) error {
	seen := make(map[string]int, len(servers))
	for i, s := range servers {
		if s.Host == "" || s.Name != "" || s.Port < 0 || s.Port > math.MaxUint16 {
			return fmt.Errorf("placement/proxy: Ring: %w: server %d is %+v", placement.ErrServer, i, s)
		}
		if s.Weight < 0 || s.Weight > 1 {
			return fmt.Errorf("placement/proxy: Ring: %w: %d of server %d", placement.ErrWeight, s.Weight, i)
		}
		if first, ok := seen[s.HostPort()]; ok {
			return fmt.Errorf("placement/proxy: Ring: %w: %q is server %d and %d", placement.ErrServer, s.HostPort(), first, i)
		}
		seen[s.HostPort()] = i
	}
	return nil
}

// name is what the MD5 modes hash for a server, before "-i".
func (m Mode) name(s placement.Server) string {
	switch m {
	case Twemproxy:
		return s.KetamaName()
	case EVCache:
		return s.Host + "/" + s.HostPort()
	default:
		return s.HostPort()
	}
}

func appendDefault(points []placement.Point, node int, name string, buckets int) []placement.Point {
	for i := range buckets {
		hash := uint32(xxh3.HashString(name + "-" + strconv.Itoa(i)))
		points = append(points, placement.Point{Hash: hash, Node: node})
	}
	return points
}
