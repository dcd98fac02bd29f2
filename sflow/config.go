package sflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Config says what an Exporter sends, and where.
type Config struct {
	// Collectors receive every datagram, each as "host:port" or "host" with the port 6343. At least one. Names are looked up
	// once, by NewExporter.
	Collectors []string
	// SamplingRate is N: one operation in N is sampled, at random. Default 1,000; 1 samples all.
	SamplingRate int
	// Agent is the address that names this host to the analyzer. Default: that from which datagrams reach the first
	// collector.
	Agent netip.Addr
	// DataSource is the index of the logical entity whose operations these are, 1 to 2^24-1, and the sub-agent's id. Exporters
	// on one host need different ones. Default 65536, the first that https://sflow.org/developers/dsindexnumbers.php leaves to
	// local choice; 65536 to 99999 are.
	DataSource uint32
	// FlushInterval is how long a sample may wait for others to share its datagram. Default and maximum 1 s: "the sFlow Agent
	// must not wait" longer, says version 5 of the specification.
	FlushInterval time.Duration
	// Dial opens the way to a collector, "udp" and "host:port". Default: net.Dialer. Each write is one datagram.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrBadConfig is matched by the errors that NewExporter has for a Config.
var ErrBadConfig = errors.New("sflow: bad configuration")

const (
	defaultPort       = "6343" // https://www.iana.org/assignments/service-names-port-numbers, sflow
	defaultRate       = 1000
	maxRate           = 1 << 30
	defaultDataSource = 65536
	maxDataSource     = 1<<24 - 1 // a compact source_id has 24 bits for it
	maxFlushInterval  = time.Second
)

func (c Config) withDefaults() (Config, error) {
	c.SamplingRate = cmp.Or(c.SamplingRate, defaultRate)
	c.DataSource = cmp.Or(c.DataSource, defaultDataSource)
	c.FlushInterval = cmp.Or(c.FlushInterval, maxFlushInterval)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	switch {
	case len(c.Collectors) == 0:
		return c, fmt.Errorf("%w: no collector", ErrBadConfig)
	case c.SamplingRate < 1 || c.SamplingRate > maxRate:
		return c, fmt.Errorf("%w: SamplingRate is %d", ErrBadConfig, c.SamplingRate)
	case c.DataSource > maxDataSource:
		return c, fmt.Errorf("%w: DataSource is %d", ErrBadConfig, c.DataSource)
	case c.FlushInterval < 0 || c.FlushInterval > maxFlushInterval:
		return c, fmt.Errorf("%w: FlushInterval is %s", ErrBadConfig, c.FlushInterval)
	}
	return c, nil
}

// withPort adds the default port to an address that has none.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), defaultPort)
}

// dial opens the ways to all collectors, or none.
func (c Config) dial(ctx context.Context) ([]net.Conn, error) {
	var conns []net.Conn
	for _, address := range c.Collectors {
		conn, err := c.Dial(ctx, "udp", withPort(address))
		if err != nil {
			closeAll(conns)
			return nil, fmt.Errorf("sflow: collector %s: %w", address, err)
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}

// localAddr is the address from which conn sends; 0.0.0.0 if it does not tell.
func localAddr(conn net.Conn) netip.Addr {
	if udp, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		return udp.AddrPort().Addr().Unmap()
	}
	return netip.IPv4Unspecified()
}
