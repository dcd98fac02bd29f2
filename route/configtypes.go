package route

// handleType is a type of handle that a configuration can name.
type handleType struct {
	short string // the option that the argument of the short form stands for; "": there is no argument
	build func(*configOptions) ([]*handle, error)
}

// handleTypes has the function for each type. It is filled below, because the functions lead back to it.
var handleTypes map[string]handleType

func init() {
	handleTypes = map[string]handleType{
		"Pool":                     {"name", buildPool},
		"ShadowRoute":              {"", buildShadowRoute},
		"AllAsyncRoute":            single("children", buildAllAsync),
		"AllFastestRoute":          single("children", buildAllFastest),
		"AllInitialRoute":          single("children", buildAllInitial),
		"AllMajorityRoute":         single("children", buildAllMajority),
		"AllSyncRoute":             single("children", buildAllSync),
		"DevNullRoute":             single("", buildNull),
		"ErrorRoute":               single("response", buildError),
		"FailoverRoute":            single("children", buildFailover),
		"FailoverWithExptimeRoute": single("", buildFailoverWithExptime),
		"HashRoute":                single("children", buildHashRoute),
		"HostIdRoute":              single("children", buildHostID),
		"KeyParseRoute":            single("", buildKeyParse),
		"KeySplitRoute":            single("", buildKeySplit),
		"L1L2CacheRoute":           single("", buildL1L2),
		"L1L2SizeSplitRoute":       single("", buildSizeSplit),
		"LatencyInjectionRoute":    single("", buildLatency),
		"LatestRoute":              single("children", buildLatest),
		"LoadBalancerRoute":        single("", buildLoadBalancer),
		"LoggingRoute":             single("target", buildLogging),
		"MigrateRoute":             single("", buildMigrate),
		"MissFailoverRoute":        single("children", buildMissFailover),
		"ModifyExptimeRoute":       single("", buildModifyExptime),
		"ModifyKeyRoute":           single("", buildModifyKey),
		"NullRoute":                single("", buildNull),
		"OperationSelectorRoute":   single("default_policy", buildOperationSelector),
		"OutstandingLimitRoute":    single("", buildOutstandingLimit),
		"PoolRoute":                single("pool", buildPoolRoute),
		"PrefixPolicyRoute":        single("default_policy", buildOperationSelector),
		"RandomRoute":              single("children", buildRandom),
		"RateLimitRoute":           single("", buildRateLimit),
		"RoutingGroupRoute":        single("default_policy", buildRoutingGroup),
		"SaltedFailoverRoute":      single("", buildSaltedFailover),
		"StagingRoute":             single("", buildStaging),
		"WarmUpRoute":              single("", buildWarmUp),
	}
}

// single is a type whose function builds one route. Where that is the route of a child, it is the child.
func single(short string, build func(*configOptions) (Route, error)) handleType {
	return handleType{short, func(o *configOptions) ([]*handle, error) {
		r, err := build(o)
		if err != nil || o.err != nil {
			return nil, err
		}
		for _, e := range o.self.edges {
			if e.to.route == r {
				return []*handle{e.to}, nil
			}
		}
		o.self.route = r
		return []*handle{o.self}, nil
	}}
}

// unsupportedTypes are handles of mcrouter that are not here, and why.
var unsupportedTypes = map[string]string{
	"AsynclogRoute":                   "failed deletes are kept by the nodes' journals and repaired, without a spool on disk",
	"AxonLogRoute":                    "it writes to a service of Facebook",
	"BigValueRoute":                   "it cuts values into chunks that other clients cannot read; raise the servers' -I instead",
	"BlackholeRoute":                  "its field policies are of Facebook's services; NullRoute swallows what a selector sends it",
	"CarbonLookasideRoute":            "it caches replies of Facebook's RPC",
	"ClientCompatibilityCheckerRoute": "there is no client of another version in between",
	"CustomJsonmRoute":                "it belongs to Facebook's maps of shards",
	"DistributionRoute":               "it replicates through Facebook's log service",
	"EagerShardSelectionRoute":        "its maps come from Facebook's shard service; in Go, see ByShard",
	"EagerShardSelectionShadowRoute":  "it takes Facebook's maps of shards",
	"HashStopAllowListRoute":          "the hash stop is honoured in all keys",
	"McBucketRoute":                   "its key spaces are of Facebook's services",
	"OriginalClientHashRoute":         "there are no clients behind this process: it is the client",
	"PrefixSelectorRoute":             `it stands at the top only: as "route", or as one of "routes"`,
	"ProxyRoute":                      "it is made by itself",
	"RootRoute":                       `it is made of "routes"`,
	"SRRoute":                         "it asks Facebook's service discovery",
	"SetDistributionTargetRoute":      "it writes to a service of Facebook",
	"ShardSelectionRoute":             "its maps come from Facebook's shard service; in Go, see ByShard",
	"ShardSplitRoute":                 "it changes shard numbers as Facebook's shard service does; in Go, see KeySplit and ByShard",
	"SlowWarmUpRoute":                 `in mcrouter it is the option "slow_warmup" of PoolRoute, and so it is here`,
}

// ignoredOptions are options that mcrouter knows and that have no effect here, and why. "" stands for every handle.
var ignoredOptions = map[string]map[string]string{
	"": {
		"asynclog":              "failed deletes are kept by the nodes' journals and repaired, without a spool on disk",
		"asynclog_name":         "nothing is spooled to disk",
		"enable_lease_pairing":  "a CAS is bound to the node that gave it",
		"thread_local_failover": "there is one state for the whole process, not one for each thread",
	},
	"PoolRoute": {
		"axonlog":                 "it writes to a service of Facebook",
		"bucketize":               "buckets are Facebook's own",
		"bucketization_keyspace":  "buckets are Facebook's own",
		"total_buckets":           "buckets are Facebook's own",
		"total_buckets_by_prefix": "buckets are Facebook's own",
		"useBucketHashSelector":   "buckets are Facebook's own",
		"distribution_enabled":    "it writes to a service of Facebook",
		"pool_id":                 "it is a name for Facebook's tools",
		"shard_splits":            "shards are not split; the keys of a split shard go to the shard itself",
		"split_shard_fanout":      "shards are not split",
		"shadow_policy":           "there is one way to copy requests",
	},
	"PoolRoute.hash": {
		"bucketize":     "buckets are Facebook's own",
		"client_fanout": "a node has as many connections as the client says",
	},
	"ShadowRoute": {
		"shadow_policy": "there is one way to copy requests",
		"bucketize":     "buckets are Facebook's own",
	},
	"pool": {
		"additional_fanout":              "a node has as many connections as the client says",
		"cluster":                        "timeouts are those of the pool or the client, wherever a node is",
		"disable_request_deadline_check": "a request ends with its context",
		"connect_timeout":                "connecting has three times the timeout of a try, at most 240 ms",
		"enable_compression":             "memcached does not know mcrouter's compression",
		"failure_domains":                "failover does not look at failure domains",
		"hostnames":                      "a server's address is its name",
		"keep_routing_prefix":            "a routing prefix is never sent",
		"port_override_cross_dc":         "data centres are not told apart",
		"port_override_within_dc":        "data centres are not told apart",
		"pool_name":                      "the pool has the name that it is listed under",
		"qos":                            "packets are not marked",
		"region":                         "timeouts are those of the pool or the client, wherever a node is",
		"security_mech_cross_dc":         "data centres are not told apart",
		"security_mech_within_dc":        "data centres are not told apart",
		"service_id_override":            "it is for Facebook's services",
		"services":                       "it is for Facebook's services",
		"use_ssl":                        tlsIsTheClients,
		"tko_tracker":                    "how many nodes may be ejected at once is an option of the client",
	},
	"FailoverRoute": {
		"failover_tag": "keys are sent as they are",
	},
	"FailoverRoute.failover_policy": {
		"enable_failure_domains":    "failover does not look at failure domains",
		"ignore_normal_reply_index": "the first child is skipped only where it chose the same node",
	},
	"HashRoute": {
		"bucketize":     "buckets are Facebook's own",
		"client_fanout": "a node has as many connections as the client says",
	},
	"LatencyInjectionRoute": {
		"max_request_latency_us":      "requests carry no latency of their own",
		"request_payload_latency":     "requests carry no latency of their own",
		"total_latency_percentile_ms": "the added latency is fixed",
	},
	"LoadBalancerRoute": {
		"default_server_load_percent": loadIsOutstanding,
		"enable_thrift_server_load":   loadIsOutstanding,
		"failover_count":              "a FailoverRoute around it fails over",
		"load_ttl_ms":                 loadIsOutstanding,
		"salt":                        loadIsOutstanding,
	},
	"L1L2SizeSplitRoute": {
		"retries": "values in L2 have the key itself, so that there is nothing to try again",
	},
	"ErrorRoute": {
		"enable_logging": "it logs nothing; a LoggingRoute around it does",
	},
	"the configuration": {
		"routing_options": "they are switches of Facebook's services",
	},
}

const loadIsOutstanding = "memcached reports no load; requests under way count instead"

// sameOptions are handles whose options are those of another.
var sameOptions = map[string]string{
	"SaltedFailoverRoute": "FailoverRoute", "FailoverWithExptimeRoute": "FailoverRoute", "LatestRoute": "FailoverRoute",
	"SaltedFailoverRoute.failover_policy": "FailoverRoute.failover_policy", "Latest": "FailoverRoute",
	"FailoverWithExptimeRoute.failover_policy": "FailoverRoute.failover_policy",
	"LatestRoute.failover_policy":              "FailoverRoute.failover_policy", "LoadBalancer": "LoadBalancerRoute",
	"SaltedFailoverRoute.hash": "PoolRoute.hash",
}

// whyIgnored returns why an option has no effect, "" if mcrouter does not know it either.
func whyIgnored(kind, option string) string {
	if same := sameOptions[kind]; same != "" {
		kind = same
	}
	if why := ignoredOptions[kind][option]; why != "" {
		return why
	}
	return ignoredOptions[""][option]
}
