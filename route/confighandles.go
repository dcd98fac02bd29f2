package route

import (
	"time"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
)

// handleTable are the handles of a configuration by their type, mcrouter's names and its aliases.
var handleTable map[string]func(*configOptions) (Route, error)

// Not in the declaration: handles build other handles, so the table would depend on itself.
func init() {
	handleTable = map[string]func(*configOptions) (Route, error){
		"AllSyncRoute":             allSyncHandle,
		"AllAsyncRoute":            allAsyncHandle,
		"AllInitialRoute":          allInitialHandle,
		"AllFastestRoute":          allFastestHandle,
		"AllMajorityRoute":         allMajorityHandle,
		"FailoverRoute":            failoverHandle,
		"SaltedFailoverRoute":      saltedFailoverHandle,
		"FailoverWithExptimeRoute": failoverWithExptimeHandle,
		"MissFailoverRoute":        missFailoverHandle,
		"LatestRoute":              latestHandle,
		"LoadBalancerRoute":        loadBalancerHandle,
		"RandomRoute":              randomHandle,
		"HostIdRoute":              hostIDHandle,
		"PoolRoute":                poolRoute,
		"HashRoute":                hashHandle,
		"KeySplitRoute":            keySplitHandle,
		"OperationSelectorRoute":   operationSelectorHandle,
		"PrefixPolicyRoute":        operationSelectorHandle,
		"RoutingGroupRoute":        routingGroupHandle,
		"PrefixSelectorRoute":      prefixSelectorHandle,
		"ModifyKeyRoute":           modifyKeyHandle,
		"ModifyExptimeRoute":       modifyExptimeHandle,
		"WarmUpRoute":              warmUpHandle,
		"MigrateRoute":             migrateHandle,
		"StagingRoute":             stagingHandle,
		"L1L2CacheRoute":           l1l2Handle,
		"L1L2SizeSplitRoute":       sizeSplitHandle,
		"ShadowRoute":              shadowHandle,
		"RateLimitRoute":           rateLimitHandle,
		"OutstandingLimitRoute":    outstandingLimitHandle,
		"LatencyInjectionRoute":    latencyHandle,
		"LoggingRoute":             loggingHandle,
		"NullRoute":                nullHandle,
		"DevNullRoute":             nullHandle,
		"ErrorRoute":               errorHandle,
	}
}

// unsupported are the handles of mcrouter that there are none of here, and why.
var unsupported = map[string]string{
	"AsynclogRoute":            "failed deletes are kept by the nodes' journals and repaired, without a spool on disk",
	"BigValueRoute":            "it cuts values into chunks that other clients cannot read; raise the servers' -I instead",
	"BlackholeRoute":           "its field policies are of Facebook's services; NullRoute swallows what a selector sends it",
	"BucketizationRoute":       "its key spaces are of Facebook's services",
	"CarbonLookasideRoute":     "it caches replies of Facebook's RPC",
	"CarbonRouter":             "it routes Facebook's RPC",
	"DistributionRoute":        "it replicates through Facebook's log service",
	"EagerShardSelection":      "its maps come from Facebook's shard service; in Go, see ByShard",
	"EagerShardSelectionRoute": "its maps come from Facebook's shard service; in Go, see ByShard",
	"HashStopAllowListRoute":   "the hash stop is honoured in all keys",
	"KeyParseRoute":            "in Go, see ByKeyPart",
	"McBucketRoute":            "its key spaces are of Facebook's services",
	"McExtraRoute":             "it is of Facebook's services",
	"OriginalClientHashRoute":  "there are no clients behind this process: it is the client",
	"SRRoute":                  "it asks Facebook's service discovery",
	"ShardSelectionRoute":      "its maps come from Facebook's shard service; in Go, see ByShard",
	"ShardSplitRoute":          "it changes shard numbers as Facebook's shard service does; in Go, see KeySplit and ByShard",
	"SlowWarmUpRoute":          `in mcrouter it is the option "slow_warmup" of PoolRoute, and so it is here`,
}

// meaningless are options of mcrouter that change nothing here, and why.
var meaningless = map[string]string{
	"asynclog":                     "failed deletes are kept by the nodes' journals and repaired, without a spool on disk",
	"axonlog":                      "it is of Facebook's services",
	"bucketize":                    "it is of Facebook's services",
	"cluster":                      "there is one timeout for each pool",
	"compression_codec_map":        "nothing is compressed on the wire",
	"connect_timeout":              "connecting has three times the timeout of a try, at most 300 ms",
	"enable_lease_pairing":         "leases are taken and filled at the key's home",
	"enable_metaget":               "the time left is read with a meta get in any case",
	"failover_tag":                 "keys are not changed by a failover",
	"keep_routing_prefix":          "the routing prefix is taken off before a key is sent",
	"priority":                     "pools have no order",
	"protocol":                     "servers speak memcached's text protocol",
	"qos":                          "packets are not marked",
	"region":                       "there is one timeout for each pool",
	"retries":                      "a write is not repeated; a read is repeated once on a connection that broke",
	"server_retry_timeout":         "a node that is down is tried again with a backoff of at most a second",
	"shadow_policy":                "shadows are chosen by fractions",
	"target_max_inflight_requests": "the client bounds what is under way on a connection",
	"thread_local_failover":        "there are no threads with routes of their own",
	"use_ssl":                      "TLS is an option of the client, for all nodes",
	"security_mech":                "TLS is an option of the client, for all nodes",
	"validate_access_points":       "they are always validated",
}

func nullHandle(*configOptions) (Route, error) { return Null(), nil }

func errorHandle(o *configOptions) (Route, error) {
	text, err := o.string("response", "")
	if err != nil {
		return nil, err
	}
	if o.arg != nil {
		text = o.arg.Str
	}
	if text == "" {
		return Error(nil), nil
	}
	if r, err := NamedError(text); err == nil {
		return r, nil
	}
	return Error(configText("memcache: refused by configuration: " + text)), nil
}

// together reads the children of a handle that writes them together.
func (o *configOptions) together() ([]configChild, Placement, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, nil, err
	}
	o.loader.writes(list)
	p, err := o.loader.replicated(list)
	return list, p, err
}

func allSyncHandle(o *configOptions) (Route, error) {
	list, p, err := o.together()
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0].route, nil
	}
	return AllSync(p), nil
}

func allAsyncHandle(o *configOptions) (Route, error) {
	_, p, err := o.together()
	if err != nil {
		return nil, err
	}
	return AllAsync(p, o.loader.env.Background)
}

// allInitialHandle awaits the first of the list, which therefore is the home.
func allInitialHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0].route, nil
	}
	return AllInitial(Fixed(routesOf(list)...), o.loader.env.Background)
}

func allFastestHandle(o *configOptions) (Route, error) {
	list, p, err := o.together()
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0].route, nil
	}
	r, err := AllFastest(p, FastestOptions{}, o.loader.env.Background)
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

func allMajorityHandle(o *configOptions) (Route, error) {
	list, p, err := o.together()
	if err != nil {
		return nil, err
	}
	if len(list) == 1 {
		return list[0].route, nil
	}
	return AllMajority(p, o.loader.env.Background)
}

func hashHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	h := &configHash{options: o, at: o.object}
	if err := h.read(o); err != nil {
		return nil, err
	}
	return h.over(list)
}

func randomHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	r, err := Random(routesOf(list))
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

func hostIDHandle(o *configOptions) (Route, error) {
	list, err := o.children("children")
	if err != nil {
		return nil, err
	}
	salt, err := o.string("salt", "")
	if err != nil {
		return nil, err
	}
	id := o.loader.env.HostID
	if salt != "" {
		id = mix(id ^ HashKey(salt))
	}
	r, err := HostID(routesOf(list), id)
	if err != nil {
		return nil, err
	}
	return o.loader.reads(list, r)
}

func keySplitHandle(o *configOptions) (Route, error) {
	if _, err := o.require("replicas"); err != nil {
		return nil, err
	}
	n, err := o.int("replicas", 0, -1<<31, 1<<31)
	if err != nil {
		return nil, err
	}
	s := KeySplitOptions{Copies: int(n), HostID: o.loader.env.HostID}
	if _, err := o.require("all_sync"); err != nil {
		return nil, err
	}
	if s.AllSync, err = o.bool("all_sync"); err != nil {
		return nil, err
	}
	if s.FirstHit, err = o.bool("first_hit"); err != nil {
		return nil, err
	}
	child, err := o.route("destination")
	if err != nil {
		return nil, err
	}
	r, err := KeySplit(s, child)
	return r, at(o.get("replicas"), err)
}

func modifyKeyHandle(o *configOptions) (Route, error) {
	var change KeyChange
	var err error
	if v := o.get("set_routing_prefix"); v != nil {
		if v.Kind != mcjson.String {
			return nil, v.Errorf(`"set_routing_prefix" must be a string`)
		}
		change.RoutingPrefix = &v.Str
	}
	for name, field := range map[string]*string{
		"ensure_key_prefix": &change.Prefix, "replace_key_prefix": &change.Replace, "set_key_suffix": &change.Suffix,
	} {
		if *field, err = o.string(name, ""); err != nil {
			return nil, err
		}
	}
	if _, err = o.bool("modify_inplace"); err != nil { // how mcrouter does it, not what
		return nil, err
	}
	child, err := o.route("target")
	if err != nil {
		return nil, err
	}
	return ModifyKey(change, child)
}

func modifyExptimeHandle(o *configOptions) (Route, error) {
	action, err := o.string("action", "set")
	if err != nil {
		return nil, err
	}
	what, ok := map[string]ExptimeAction{"set": SetExptime, "min": MinExptime}[action]
	if !ok {
		return nil, o.get("action").Errorf(`"action" must be "set" or "min"`)
	}
	if _, err := o.require("exptime"); err != nil {
		return nil, err
	}
	ttl, err := o.seconds("exptime", 0)
	if err != nil {
		return nil, err
	}
	child, err := o.route("target")
	if err != nil {
		return nil, err
	}
	return ModifyExptime(what, ttl, child)
}

// pair builds two routes.
func (o *configOptions) pair(first, second string) (a, b Route, err error) {
	if a, err = o.route(first); err == nil {
		b, err = o.route(second)
	}
	return a, b, err
}

func warmUpHandle(o *configOptions) (Route, error) {
	cold, warm, err := o.pair("cold", "warm")
	if err != nil {
		return nil, err
	}
	ttl, err := o.seconds("exptime", 0)
	if err != nil {
		return nil, err
	}
	return WarmUp(cold, warm, ttl, o.loader.env.Background)
}

func migrateHandle(o *configOptions) (Route, error) {
	from, to, err := o.pair("from", "to")
	if err != nil {
		return nil, err
	}
	if _, err := o.require("start_time"); err != nil {
		return nil, err
	}
	start, err := o.int("start_time", 0, 0, 1<<40)
	if err != nil {
		return nil, err
	}
	interval, err := o.seconds("interval", 3600)
	if err != nil {
		return nil, err
	}
	return Migrate(from, to, Migration{Start: time.Unix(start, 0), Interval: interval, Hash: placement.SampleHash})
}

func stagingHandle(o *configOptions) (Route, error) {
	warm, staging, err := o.pair("warm", "staging")
	if err != nil {
		return nil, err
	}
	return Staging(warm, staging, o.loader.env.Background)
}

func l1l2Handle(o *configOptions) (Route, error) {
	l1, l2, err := o.pair("l1", "l2")
	if err != nil {
		return nil, err
	}
	var l L1L2Options
	if _, err := o.require("upgradingL1Exptime"); err != nil {
		return nil, err
	}
	if l.TTL, err = o.seconds("upgradingL1Exptime", 0); err != nil {
		return nil, err
	}
	if l.NegativeTTL, err = o.seconds("ncacheExptime", 0); err != nil {
		return nil, err
	}
	n, err := o.int("ncacheUpdatePeriod", 0, 0, 1<<30)
	if err != nil {
		return nil, err
	}
	l.NegativeAsk = int(n)
	return L1L2(l1, l2, l, o.loader.env.Background)
}

func sizeSplitHandle(o *configOptions) (Route, error) {
	l1, l2, err := o.pair("l1", "l2")
	if err != nil {
		return nil, err
	}
	var s SizeSplitOptions
	n, err := o.int("threshold", 0, 0, 1<<30)
	if err != nil {
		return nil, err
	}
	s.Threshold = int(n)
	if s.MinTTL, err = o.seconds("ttl_threshold", 0); err != nil {
		return nil, err
	}
	if s.FailureTTL, err = o.seconds("failure_ttl", 60); err != nil {
		return nil, err
	}
	if s.BothFull, err = o.bool("both_full_set"); err != nil {
		return nil, err
	}
	return L1L2SizeSplit(l1, l2, s, o.loader.env.Background)
}

func shadowHandle(o *configOptions) (Route, error) {
	child, err := o.route("child")
	if err != nil {
		return nil, err
	}
	list, err := o.shadowed([]configChild{{route: child}})
	if err != nil {
		return nil, err
	}
	return list[0].route, nil
}

func rateLimitHandle(o *configOptions) (Route, error) {
	child, err := o.route("target")
	if err != nil {
		return nil, err
	}
	var over Route
	if o.get("fallback") != nil {
		if over, err = o.route("fallback"); err != nil {
			return nil, err
		}
	}
	rates, err := o.sub("rates")
	if err != nil {
		return nil, err
	}
	if rates == nil {
		return nil, o.object.Errorf(`RateLimitRoute needs "rates"`)
	}
	return rates.rateLimit(child, over)
}

func outstandingLimitHandle(o *configOptions) (Route, error) {
	child, err := o.route("target")
	if err != nil {
		return nil, err
	}
	if _, err := o.require("max_outstanding"); err != nil {
		return nil, err
	}
	n, err := o.int("max_outstanding", 0, 1, 1<<30)
	if err != nil {
		return nil, err
	}
	return OutstandingLimit(child, OutstandingOptions{Max: int(n)})
}

func latencyHandle(o *configOptions) (Route, error) {
	child, err := o.route("child")
	if err != nil {
		return nil, err
	}
	var l LatencyOptions
	for name, field := range map[string]*time.Duration{
		"before_latency": &l.Before, "after_latency": &l.After, "total_latency": &l.Total,
	} {
		if *field, err = o.milliseconds(name); err != nil {
			return nil, err
		}
	}
	return Latency(child, l)
}

func loggingHandle(o *configOptions) (Route, error) {
	child, err := o.route("target")
	if err != nil {
		return nil, err
	}
	return Logging(child, LoggingOptions{Logger: o.loader.env.Logger})
}

// allOperations are those that a tree of routes meets.
var allOperations = []protocol.Command{
	protocol.Get, GetForUpdate, protocol.GetAndTouch, protocol.Touch, protocol.Set, CompareAndSwap, protocol.Add, protocol.Replace,
	protocol.Append, protocol.Prepend, protocol.Delete, protocol.Increment, protocol.Decrement, protocol.Debug,
}
