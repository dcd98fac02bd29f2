package memcache

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// Option configures a Client. Options may come in any order; what contradicts another, or makes no sense, is an error of
// New. Of a setting that is given twice, such as WithTimeout, the last counts. Servers, zones, sources, rules, local nodes
// and observers add up.
type Option func(*config) error

// config is what the options say.
type config struct {
	given    given            // where the nodes are named
	fixed    []discovery.Node // of these, those that are known from the start; sorted
	source   discovery.Source // of all nodes, if there are others than the fixed; else nil
	interval time.Duration    // the longest at which a part of source is asked
	local    localConfig
	topology topology
	replicas int  // of a sharded topology
	coherent bool // WithCoherentReplicas
	rules    map[string][]string

	keys            keyForm
	compression     *compression // nil: none
	maxUncompressed int          // 0: the default
	log             *slog.Logger
	mcrouter        mcrouterArguments
	build           func(Nodes) (route.Route, error) // WithRoute; nil: the tree of a preset
	policy          WritePolicy
	propagation     *time.Duration // WithPropagation; nil: the default
	maxTTL          time.Duration  // 0: no bound
	observers       []Observer
	remedies        remedyConfig
	hotKeys         *hotkey.Options // WithHotKeys; nil until all options are known: the defaults
	noHotKeys       bool            // nobody looks for them
	hotSources      []HotKeySource
	nodeSet         pool.NodeSetConfig
	node            pool.Config // for every node; Name, Addr and NodeSet are filled in
}

type topology uint8

const (
	unset topology = iota
	sharded
	replicated
	zoned
	custom
	configured // by a file of mcrouter's
)

func newConfig(opts []Option) (config, error) {
	cfg := config{replicas: 1, local: newLocalConfig(), rules: map[string][]string{}, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if opt == nil {
			return cfg, badOption("an Option is nil")
		}
		if err := opt(&cfg); err != nil {
			return cfg, err
		}
	}
	err := cfg.validate()
	if cfg.hotKeys == nil {
		cfg.hotKeys = new(hotkey.Options)
	}
	cfg.node.Generations = cfg.spreads()
	cfg.node.Quarantine = cfg.bound()
	return cfg, err
}

// spreads reports whether values of hot keys may be spread over nodes; then the nodes' lives must be told apart, by a key on
// each. Where the options say nothing of rules and nodes never come and go, nothing is written to them that the application
// has not asked for, and values are kept in the process only.
func (c *config) spreads() bool {
	r := &c.remedies
	return c.onlyHomes() && (c.source != nil || r.asked || r.hasRules())
}

func (c *config) validate() error {
	for _, validate := range []func() error{
		c.validateCoherent, c.validateNamespace, c.validateCompression, c.validateMcrouter, c.validateTree, c.validateHotKeys,
	} {
		if err := validate(); err != nil {
			return err
		}
	}
	if c.topology == configured {
		return c.validateConfigured()
	}
	if err := c.findSources(); err != nil {
		return err
	}
	return c.validateRules()
}

// WithReplicated has every node hold every key: reads ask the local node first (WithLocal), writes reach all nodes. If the local
// node fails, its neighbour is read, the same for all keys, so that what was one batch stays one: of the own zone, if that has
// others. Which node that is depends on the local one, so a fleet shares the load.
func WithReplicated() Option {
	return func(c *config) error { return c.setTopology(replicated) }
}

// WithSharded has each key live on its home and replicas-1 more nodes, on all nodes if there are fewer. The default is one
// replica: the home alone.
func WithSharded(replicas int) Option {
	return func(c *config) error {
		if replicas < 1 {
			return badOption("replicas must be at least 1")
		}
		if c.topology == sharded && c.replicas != replicas {
			return badOption("WithSharded says two numbers of replicas")
		}
		c.replicas = replicas
		return c.setTopology(sharded)
	}
}

// WithZoned has each zone hold every key once: reads ask the own zone first (WithLocal), writes reach all zones. The zones are
// those of the nodes, as WithDiscovery or a file gives them; nodes without one make up a zone of their own, which is never
// the local one. WithZone implies it.
func WithZoned() Option {
	return func(c *config) error { return c.setTopology(zoned) }
}

// WithLogger has what happens to the client itself, not to single requests, logged: nodes that come and go,
// which one is local, a source that fails to tell the nodes (its first failure in a row, the second, the fourth, the eighth …), a
// view that was refused. The default logs nothing. No key is ever logged.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) error {
		if log == nil {
			return badOption("no logger")
		}
		c.log = log
		return nil
	}
}

func badOption(what string) error { return fmt.Errorf("%w: %s", ErrBadOption, what) }

func positive[T int | time.Duration](what string, n T) error {
	if n <= 0 {
		return badOption(what + " must be positive")
	}
	return nil
}

func (c *config) setTopology(t topology) error {
	if c.topology != unset && c.topology != t {
		return badOption("WithSharded, WithReplicated, WithZone or WithZoned, and WithRoute exclude each other")
	}
	c.topology = t
	return nil
}
