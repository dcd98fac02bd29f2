package memcache

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nohop/memcache/route"
)

// WithMcrouterConfig has the nodes and the tree of routes come from a configuration file of mcrouter, with its imports and
// macros; package route's ParseConfig says what each part becomes. It stands instead of WithServers and everything that
// says where keys live. The order of a list says which node is local, so there is no WithLocal beside it; the write policy counts as ever. The file and its imports are read again every second (WithResolver's interval does not count
// here); when their contents have changed, the new configuration is applied as a whole, and nodes that stay keep their
// connections. One that cannot be read or built is refused with the place and the reason, and the last one stays; see
// Client.McrouterConfig and WithLogger. At New it is New's error.
func WithMcrouterConfig(path string) Option {
	return func(c *config) error {
		if path == "" {
			return badOption("the configuration file of mcrouter has no name")
		}
		c.mcrouter.path = path
		return c.setTopology(configured)
	}
}

// WithMcrouterRoutePrefix says to which routing prefix, "/region/cluster/", keys without one go, as mcrouter's
// --route-prefix does. Without it they go to the route for "/././", or, if the file of WithMcrouterConfig has none, to its
// first route. Where the file has a single route, a routing prefix is understood with this option only; without the
// option it is a part of the key.
func WithMcrouterRoutePrefix(prefix string) Option {
	return func(c *config) error {
		if prefix == "" {
			return badOption("an empty routing prefix")
		}
		c.mcrouter.routePrefix = prefix
		return nil
	}
}

// WithMcrouterParams says what %name% stands for in the file of WithMcrouterConfig, as mcrouter's --config-params does: nil, bool,
// int, int64, float64, string, []any or map[string]any by name. hostid, default-route, default-region and default-cluster are
// there without being given; params may replace them.
func WithMcrouterParams(params map[string]any) Option {
	return func(c *config) error {
		if c.mcrouter.params = maps.Clone(params); params == nil {
			c.mcrouter.params = map[string]any{} // for who has given none, and has no file for them
		}
		return nil
	}
}

// mcrouterArguments are what mcrouter is told at its start of its configuration.
type mcrouterArguments struct {
	path        string // "": there is none
	routePrefix string
	params      map[string]any // nil: not given
}

// validateMcrouter refuses arguments without a file.
func (c *config) validateMcrouter() error {
	if m := &c.mcrouter; m.path == "" && (m.routePrefix != "" || m.params != nil) {
		return badOption("a routing prefix and parameters are for WithMcrouterConfig")
	}
	return nil
}

// validateConfigured refuses what would be passed over, because the file says it.
func (c *config) validateConfigured() error {
	if len(c.given.servers) > 0 || len(c.given.sources) > 0 || len(c.rules) > 0 {
		return badOption("WithMcrouterConfig names the nodes and says where keys live: no servers and no rules beside it")
	}
	if c.local.given || c.local.nearest {
		return badOption("with WithMcrouterConfig the order of a list says which node is local")
	}
	return nil
}

// McrouterConfig is what became of the file of WithMcrouterConfig.
type McrouterConfig struct {
	Path     string
	Applied  time.Time       // when the running configuration was taken
	Warnings []route.Warning // options without meaning here, by their place in the running configuration
	Refused  error           // why the file as it is now was not taken; nil if it was. A *route.ConfigError has the place
}

// McrouterConfig returns the state of the configuration file; the zero value without one.
func (c *Client) McrouterConfig() McrouterConfig {
	if c.configFile == nil {
		return McrouterConfig{}
	}
	return c.configFile.get()
}

// configFile follows a configuration file by the contents of all files that it is made of.
type configFile struct {
	path  string
	files map[string]content // that the last attempt has read

	mu     sync.Mutex
	status McrouterConfig
}

// content is what a file held, or that it could not be read.
type content struct {
	text string
	err  string
}

func (f *configFile) get() McrouterConfig {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// read reads a file for a new attempt.
func (f *configFile) read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	c := content{text: string(data)}
	if err != nil {
		c.err = err.Error()
	}
	f.files[path] = c
	return data, err
}

// changed reports whether a file reads otherwise than at the last attempt.
func (f *configFile) changed() bool {
	last := f.files
	f.files = make(map[string]content, len(last))
	for path := range last {
		f.read(path)
		if f.files[path] != last[path] {
			return true
		}
	}
	return false
}

// startConfig takes the configuration file and follows it until ctx ends.
func (c *Client) startConfig(ctx context.Context) error {
	c.configFile = &configFile{path: c.cfg.mcrouter.path}
	if err := c.loadConfig(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrBadOption, err)
	}
	c.wg.Go(func() { c.followConfig(ctx) })
	return nil
}

// configInterval is how often the configuration file is looked at.
const configInterval = time.Second

func (c *Client) followConfig(ctx context.Context) {
	ticker := time.NewTicker(configInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !c.configFile.changed() {
			continue
		}
		err := c.loadConfig(ctx)
		if errors.Is(err, ErrClosed) {
			return
		}
		c.viewEvent(err)
		if err != nil {
			c.cfg.log.Error("memcache: configuration refused; the last one stays", "file", c.cfg.mcrouter.path, "error", err)
		}
	}
}

// loadConfig reads, builds and applies the configuration file as it is now.
func (c *Client) loadConfig(ctx context.Context) error {
	f := c.configFile
	f.files = map[string]content{}
	data, err := f.read(f.path)
	if err == nil {
		var parsed *route.Config
		err = c.apply(ctx, func(set *nodeSet) (*view, error) {
			parsed, err = route.ParseConfig(data, f.path, c.configEnv(set))
			if err != nil {
				return nil, err
			}
			return &view{tree: c.cfg.written(parsed.Route), read: parsed.Route}, nil
		})
		if err == nil {
			c.tookConfig(parsed)
			return nil
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Path, f.status.Refused = f.path, err
	return err
}

func (c *Client) tookConfig(parsed *route.Config) {
	f := c.configFile
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status = McrouterConfig{Path: f.path, Applied: time.Now(), Warnings: parsed.Warnings}
	for _, w := range parsed.Warnings {
		c.cfg.log.Warn("memcache: configuration", "warning", w.String())
	}
}

func (c *Client) configEnv(set *nodeSet) route.ConfigEnv {
	dir := filepath.Dir(c.cfg.mcrouter.path)
	return route.ConfigEnv{
		Node: func(s route.Server) (route.Route, error) {
			return set.get(nodeSpec{name: s.Addr, addr: s.Addr, timeout: s.Timeout}), nil
		},
		Import: func(path string) ([]byte, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			return c.configFile.read(path)
		},
		Params:       c.cfg.mcrouter.params,
		HostID:       hostID(),
		DefaultRoute: c.cfg.mcrouter.routePrefix,
		Background:   c.background,
		Logger:       c.cfg.log,
	}
}

// hostID is a number that differs from host to host, for routes that give each host its own child.
func hostID() uint64 {
	name, err := os.Hostname()
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}
