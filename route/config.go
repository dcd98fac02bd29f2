package route

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"time"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// ConfigEnv is what a configuration needs from the program that loads it.
type ConfigEnv struct {
	// Node returns the route that reaches a server, usually a *pool.Node. It must return the same one for equal Servers. It
	// is called for the servers that the configuration uses, once each. Required.
	Node func(Server) (Route, error)

	// Import returns the file that an @import names; nil refuses imports.
	Import func(path string) ([]byte, error)

	// Params are what %name% stands for in the file, mcrouter's --config-params: nil, bool, int, int64, float64, string,
	// []any and map[string]any. "hostid", "default-route", "default-region" and "default-cluster" are there by themselves.
	Params map[string]any

	HostID       uint64       // of this host, for routes that give each host a child or copy of its own
	DefaultRoute string       // "/region/cluster/" of keys without a routing prefix, mcrouter's --route-prefix; "": see ParseConfig
	Background   *Background  // nil: one of the configuration's own, see Config
	Logger       *slog.Logger // of LoggingRoute; nil: slog.Default
}

// Server is one server of a pool. It is comparable.
type Server struct {
	Addr    string        // "host:port", "[v6]:port" or the path of a unix socket
	Timeout time.Duration // of a try: the pool's server_timeout; 0: not said
}

// Config is a configuration that was read.
type Config struct {
	Route      Route
	Servers    []Server    // those that Route uses, each once, in the order in which they were met
	Warnings   []Warning   // what has no effect here, in the order in which it was met
	Background *Background // what the route's background work runs in: ConfigEnv's, or one to be closed with the nodes
}

// Warning is something in a configuration that is not done, or not as mcrouter does it.
type Warning struct {
	Place string // file:line:column
	Text  string
}

func (w Warning) String() string { return w.Place + ": " + w.Text }

// ConfigError is a mistake in a configuration. A configuration with a mistake is refused whole.
type ConfigError struct {
	File         string
	Line, Column int // counted from 1, columns in bytes; 0 if the mistake has no place
	Reason       string
	Err          error // the cause, if there is one to be told by errors.Is
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("memcache: configuration: %v: %s", mcjson.Pos{File: e.File, Line: e.Line, Column: e.Column}, e.Reason)
}

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

// ParseConfig reads a configuration file of mcrouter and builds its tree out of the routes of this package; file is its name
// in places and errors. docs/from-mcrouter.md has each handle and option, what it becomes and what differs. Errors are
// *ConfigError, except that a missing env.Node is ErrNoPart.
//
// Children that hold the same keys (of AllSyncRoute and the other All… handles) are told apart by name: a server's address, a
// pool's or handle's name. Their order in the file does not matter to where read-modify-writes take effect, since each host
// may list its own node first. Where stores go to all of some children and read-modify-writes reach these too, by whatever
// handle, that one home serves the latter and clears the other children, and a read by another handle over the same
// children that misses asks the home (AskHome): what one host has added or counted, all find.
//
// An operation for which an OperationSelectorRoute has no policy is refused with a *NoPolicyError when it comes.
//
// With "routes", keys may have a routing prefix "/region/cluster/" and go to DefaultRoute without one; if that is "", to
// "/././" as in mcrouter, and if there is none, to the first. With "route" alone, routing prefixes are understood only if
// DefaultRoute is set; otherwise "/a/b/c" is a key like any other.
func ParseConfig(data []byte, file string, env ConfigEnv) (*Config, error) {
	if env.Node == nil {
		return nil, fmt.Errorf("%w: ConfigEnv.Node", ErrNoPart)
	}
	var warnings []Warning
	root, err := expandConfig(data, file, env, func(e *mcjson.Error) {
		warnings = append(warnings, Warning{e.Pos.String(), e.Message()})
	})
	if err != nil {
		return nil, configError(err)
	}
	if env.Background == nil {
		env.Background = NewBackground(DefaultBackground)
	}
	known := newConfigServers(env.Node)
	first := newConfigReader(env, known)
	top, err := first.read(root)
	if err != nil {
		return nil, configError(err)
	}
	last := first
	if homed := homedSets(top); len(homed) > 0 { // what is homed is known only when all has been read: read it again
		last = newConfigReader(env, known)
		last.homed = homed
		if top, err = last.read(root); err != nil {
			return nil, configError(err)
		}
	}
	return &Config{
		Route: top.route, Servers: known.list, Warnings: append(warnings, last.warnings...), Background: env.Background,
	}, nil
}

// expandConfig returns the configuration without macros.
func expandConfig(data []byte, file string, env ConfigEnv, warn func(*mcjson.Error)) (*mcjson.Value, error) {
	parsed, err := mcjson.Parse(data, file)
	if err != nil {
		return nil, err
	}
	return mcjson.Expand(parsed, mcjson.Options{Import: env.Import, Params: env.params(), Warn: warn})
}

// params are Params with what mcrouter defines itself.
func (e *ConfigEnv) params() map[string]any {
	all := map[string]any{"hostid": int64(e.HostID & math.MaxInt64)}
	byDefault := cmp.Or(e.DefaultRoute, mcroutersDefault)
	if region, cluster, ok := partsOfRoutingPrefix(byDefault); ok {
		all["default-route"], all["default-region"], all["default-cluster"] = byDefault, region, cluster
	}
	maps.Copy(all, e.Params)
	return all
}

// configError makes the error of ParseConfig.
func configError(err error) error {
	var e *mcjson.Error
	if !errors.As(err, &e) {
		return err
	}
	return &ConfigError{File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Column, Reason: e.Message(), Err: e.Err}
}
