package discovery

import (
	"fmt"
	"strings"
	"time"
)

// Parser turns text into sources. The zero value is ready to use.
type Parser struct {
	Resolver Resolver      // of the DNS sources; default: net.Resolver, strict
	Interval time.Duration // between look-ups; default: each source's own
}

// Parse is Parser.Parse with all defaults.
func Parse(specs ...string) (Source, error) { return Parser{}.Parse(specs...) }

// Parse returns the source that specs stand for; several are merged. Each is one of
//
//	host:port, host, [v6]:port           a static node
//	/path, unix:/path                    a static node at a unix socket
//	dns+host:port                        DNS: all addresses of a name
//	dnssrv+_memcached._tcp.name          SRV: the targets of an SRV record, resolved
//	dnssrvnoa+_memcached._tcp.name       SRVNoA: the same by name
//	file+/path                           File
//	elasticache+host:port                ElastiCache, without TLS
//
// where a missing port is 11211. The error is ErrBadSpec.
func (p Parser) Parse(specs ...string) (Source, error) {
	var sources []Source
	var fixed Static
	for _, spec := range specs {
		src, err := p.parse(spec)
		if err != nil {
			return nil, err
		}
		if node, ok := src.(Static); ok {
			fixed = append(fixed, node...)
			continue
		}
		sources = append(sources, Every(p.Interval, src))
	}
	if len(fixed) > 0 {
		sources = append([]Source{fixed}, sources...)
	}
	switch len(sources) {
	case 0:
		return nil, fmt.Errorf("%w: nothing given", ErrBadSpec)
	case 1:
		return sources[0], nil
	default:
		return Merge(sources...), nil
	}
}

func (p Parser) parse(spec string) (Source, error) {
	src, ok := p.source(spec)
	if !ok {
		return nil, fmt.Errorf("%w: %s is none of "+addrForms+", "+sourceForms+"; ports are 1 to 65535", ErrBadSpec, quote(spec))
	}
	return src, nil
}

// What an address, and a source, look like.
const (
	addrForms   = "host:port, host, [v6]:port, /path, unix:/path"
	sourceForms = "dns+host:port, dnssrv+name, dnssrvnoa+name, file+/path, elasticache+host:port"
)

func (p Parser) source(spec string) (Source, bool) {
	spec = withoutScheme(spec)
	kind, rest, found := strings.Cut(spec, "+")
	if !found || isSocketPath(spec) {
		addr, ok := canonical(spec)
		return StaticAddrs(addr), ok
	}
	switch kind {
	case "dns":
		host, port, ok := splitHostPort(rest)
		return DNS{Host: host, Port: port, Resolver: p.Resolver}, ok
	case "dnssrv":
		return SRV{Name: rest, Resolver: p.Resolver}, isHostName(rest)
	case "dnssrvnoa":
		return SRVNoA{Name: rest, Resolver: p.Resolver}, isHostName(rest)
	case "file":
		return &File{Path: rest}, rest != ""
	case "elasticache":
		addr, ok := canonical(rest)
		return ElastiCache{Addr: addr}, ok && !isSocketPath(addr)
	default:
		return nil, false
	}
}
