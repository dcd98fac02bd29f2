package route

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// ConfigEnv is what a configuration needs of the process that runs it. Only Node is required.
type ConfigEnv struct {
	Node       func(Server) (Route, error)       // returns a server's node; the same for equal Servers
	Import     func(path string) ([]byte, error) // reads what @import names; nil: nothing can be imported
	Params     map[string]any                    // of macros: strings, numbers, bools, and lists and maps of them
	HostID     uint64                            // of this host, for routes that give each host a child of its own
	Background *Background                       // nil: one of the configuration's own, see Config
	Logger     *slog.Logger                      // of LoggingRoute; nil: slog.Default
}

// Server is a server as a pool lists it. Servers are comparable.
type Server struct {
	Addr    string        // "host:port", "[v6]:port"
	Timeout time.Duration // per try, from the pool's server_timeout; 0: not said
}

// Config is a configuration that was read and built.
type Config struct {
	Route      Route
	Servers    []Server    // all that the route uses, each once, in the order of the file
	Warnings   []Warning   // what was left out, by place
	Background *Background // what the route's background work runs in: ConfigEnv's, or one to be closed with the nodes
}

// Warning is an option that has no meaning here, or that mcrouter would pass over in silence.
type Warning struct {
	Place string // file:line:column
	Text  string
}

func (w Warning) String() string { return w.Place + ": " + w.Text }

// ConfigError is why a configuration was refused.
type ConfigError struct {
	File         string
	Line, Column int // counted from 1, columns in bytes; 0 if the mistake has no place
	Reason       string
	Err          error // the cause, if there is one beyond Reason
	text         string
}

func (e *ConfigError) Error() string { return e.text }

func (e *ConfigError) Unwrap() error { return e.Err }

func configError(err error) error {
	var placed *mcjson.Error
	if !errors.As(err, &placed) {
		return err
	}
	return &ConfigError{
		File: placed.Pos.File, Line: placed.Pos.Line, Column: placed.Pos.Column,
		Reason: placed.Reason, Err: placed.Err, text: "memcache: configuration: " + placed.Error(),
	}
}

// NoPolicyError is the error of an operation that a configuration has no policy for.
type NoPolicyError struct{ Operation string }

func (e *NoPolicyError) Error() string {
	return fmt.Sprintf("memcache: the configuration has no policy for %q, and no default policy", e.Operation)
}

// ParseConfig reads a configuration of mcrouter, the contents of file, and builds the same tree out of the routes of this
// package. docs/from-mcrouter.md says what each part becomes. A configuration is built whole or not at all: the error is a
// *ConfigError with the place. What has no meaning here is a warning, never passed over.
//
// Two things are better than in mcrouter. What replicas answer together is told by combine.go, not by one scale of
// severity for all operations. And what depends on the item that is there (add, incr, cas and so on) is not sent to all
// children of an AllSyncRoute and the like, but takes effect at one, chosen by rendezvous over the children's names and so
// the same on every host whatever the order of its list, and then clears the others; a read over the same children that
// misses asks that one.
func ParseConfig(data []byte, file string, env ConfigEnv) (*Config, error) {
	if env.Node == nil {
		return nil, ErrNoPart
	}
	var warnings []Warning
	root, err := expandConfig(data, file, &env, &warnings)
	if err != nil {
		return nil, configError(err)
	}
	if env.Background == nil {
		env.Background = NewBackground(DefaultBackground)
	}
	if env.Logger == nil {
		env.Logger = slog.Default()
	}
	// Which children have a home is known when all is built, so it is built twice.
	first := newConfigLoader(root, &env, nil)
	if _, err := first.load(); err != nil {
		return nil, configError(err)
	}
	second := newConfigLoader(root, &env, first.homes)
	r, err := second.load()
	if err != nil {
		return nil, configError(err)
	}
	return &Config{
		Route: r, Servers: second.servers, Warnings: append(warnings, second.warnings...), Background: env.Background,
	}, nil
}

func expandConfig(data []byte, file string, env *ConfigEnv, warnings *[]Warning) (*mcjson.Value, error) {
	v, err := mcjson.Parse(data, file)
	if err != nil {
		return nil, err
	}
	v, err = mcjson.Expand(v, mcjson.Options{
		Import: env.Import, Params: env.Params,
		Warn: func(e *mcjson.Error) { *warnings = append(*warnings, Warning{e.Pos.String(), e.Reason}) },
	})
	if err != nil {
		return nil, err
	}
	if v.Kind != mcjson.Object {
		return nil, v.Errorf("a configuration is an object, not %s", v.Kind)
	}
	return v, nil
}
