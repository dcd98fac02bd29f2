package memcachetest

import (
	"crypto/tls"
	"time"
)

// config is what the options set. It does not change after NewServer.
type config struct {
	network        string // "tcp", "unix" or "pipe"
	address        string
	tls            *tls.Config
	user, password string
	version        string // "": not given
	noMeta, noDump bool
	limits         limits
	maxConns       int
	idleTimeout    time.Duration
}

// Defaults of memcached 1.6.18, and the version of one without meta commands.
const (
	defaultVersion     = "1.6.18"
	classicVersion     = "1.4.39"
	defaultMaxItemSize = 1 << 20
	defaultMemoryLimit = 64 << 20
	defaultMaxConns    = 1024
	anyLoopbackPort    = "127.0.0.1:0"
)

func newConfig(opts []Option) *config {
	cfg := &config{
		network:  "tcp",
		address:  anyLoopbackPort,
		limits:   limits{maxItem: defaultMaxItemSize, memory: defaultMemoryLimit},
		maxConns: defaultMaxConns,
	}
	for _, opt := range opts {
		opt(cfg)
	}
	switch {
	case cfg.version != "":
	case cfg.noMeta:
		cfg.version = classicVersion
	default:
		cfg.version = defaultVersion
	}
	return cfg
}

// Option changes how a Server behaves. Of the options that choose a transport
// the last one counts.
type Option func(*config)

// WithTCPAddr listens on the TCP address "host:port", overriding the default
// of a free port on 127.0.0.1.
func WithTCPAddr(addr string) Option {
	return func(c *config) { c.network, c.address = "tcp", addr }
}

// WithUnixSocket listens on a unix socket at path instead of TCP. The file must
// not exist; Close removes it. As with a real process Kill leaves it behind.
func WithUnixSocket(path string) Option {
	return func(c *config) { c.network, c.address = "unix", path }
}

// WithPipe serves in-memory connections instead of TCP. Only DialContext and
// Dialer reach such a server. Its connections have deadlines and a buffer of
// 256 KiB in each direction, and they work inside a testing/synctest bubble.
// Addr gives each server of the process its own name, such as "127.1.0.1:1",
// an address that no client has to look up; WithPipeAddr chooses one.
func WithPipe() Option {
	return func(c *config) { c.network, c.address = "pipe", "" }
}

// WithPipeAddr is WithPipe with the given result of Addr, for tests in which
// the placement of keys depends on the names of the nodes.
func WithPipeAddr(addr string) Option {
	return func(c *config) { c.network, c.address = "pipe", addr }
}

// WithTLS makes the server speak TLS with cfg, which must hold a certificate.
// The client has to do its own handshake on what DialContext returns.
func WithTLS(cfg *tls.Config) Option {
	return func(c *config) { c.tls = cfg.Clone() }
}

// WithAuth demands that each connection starts with memcached's text
// authentication (memcached -Y): a set whose data block is "user password".
func WithAuth(user, password string) Option {
	return func(c *config) { c.user, c.password = user, password }
}

// WithVersion sets the word that the command version answers, by default
// "1.6.18", or "1.4.39" of a server WithoutMeta. Nothing else changes: see
// WithoutMeta for an old server.
func WithVersion(version string) Option {
	return func(c *config) { c.version = version }
}

// WithoutMeta makes a server that knows only the classic text commands. As in
// an old memcached the meta commands answer ERROR, and so does each data block.
// Its version is "1.4.39", which has clients speak classic text to it, unless
// WithVersion says otherwise: then it is one that claims more than it can.
func WithoutMeta() Option {
	return func(c *config) { c.noMeta = true }
}

// WithMaxItemSize limits an item with its key and header to n bytes, by default
// 1 MiB (memcached -I).
func WithMaxItemSize(n int) Option {
	return func(c *config) { c.limits.maxItem = n }
}

// WithMemoryLimit limits all items together to n bytes, by default 64 MiB
// (memcached -m). A full server evicts the least recently used item. Unlike in
// memcached the limit holds to the byte, so that small ones make sense.
func WithMemoryLimit(n int) Option {
	return func(c *config) { c.limits.memory = n }
}

// WithoutEviction makes a full server refuse to store instead of evicting
// (memcached -M).
func WithoutEviction() Option {
	return func(c *config) { c.limits.noEviction = true }
}

// WithoutCAS makes every CAS unique 0, and compare-and-swap never succeed
// (memcached -C).
func WithoutCAS() Option {
	return func(c *config) { c.limits.noCAS = true }
}

// WithoutDump refuses the commands that list keys (memcached -X).
func WithoutDump() Option {
	return func(c *config) { c.noDump = true }
}

// WithMaxConns admits n connections at a time, by default 1024 (memcached -c).
// One more gets the line "ERROR Too many open connections" and is closed.
func WithMaxConns(n int) Option {
	return func(c *config) { c.maxConns = n }
}

// WithIdleTimeout closes a connection that waits longer than d for a command
// (memcached -o idle_timeout). By default none is closed.
func WithIdleTimeout(d time.Duration) Option {
	return func(c *config) { c.idleTimeout = d }
}
