package route

import (
	"math"
	"time"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

func buildWarmUp(o *configOptions) (Route, error) {
	cold, warm := o.child("cold"), o.child("warm")
	ttl := o.exptime("exptime", 0)
	if v := o.ofKind("enable_metaget", o.get("enable_metaget"), mcjson.Bool); v != nil && !v.Bool && ttl == 0 {
		o.warn(v, "the time that an item has left is known without metaget; copies get that")
	}
	return WarmUp(cold, warm, ttl, o.reader.env.Background)
}

func buildStaging(o *configOptions) (Route, error) {
	return Staging(o.child("warm"), o.child("staging"), o.reader.env.Background)
}

// buildMigrate moves keys at the same times as mcrouter does.
func buildMigrate(o *configOptions) (Route, error) {
	from, to := o.child("from"), o.child("to")
	o.need("start_time")
	start := o.integer("start_time", 1, 1, math.MaxUint32)
	interval := o.integer("interval", 3600, 1, maxExptime)
	return Migrate(from, to, Migration{
		Start:    time.Unix(start, 0),
		Interval: time.Duration(interval) * time.Second,
		Hash:     func(key string) uint32 { return placement.SampleHash(placement.BeforeHashStop(key)) },
	})
}

func buildL1L2(o *configOptions) (Route, error) {
	l1, l2 := o.child("l1"), o.child("l2")
	o.need("upgradingL1Exptime")
	options := L1L2Options{TTL: o.exptime("upgradingL1Exptime", 0), NegativeTTL: o.exptime("ncacheExptime", 0)}
	period := o.get("ncacheUpdatePeriod")
	options.NegativeAsk = int(o.integer("ncacheUpdatePeriod", 0, 0, math.MaxInt32))
	if options.NegativeTTL == 0 && options.NegativeAsk > 0 {
		o.warn(period, `"ncacheUpdatePeriod" has no effect without "ncacheExptime": no misses are remembered`)
		options.NegativeAsk = 0
	}
	return L1L2(l1, l2, options, o.reader.env.Background)
}

func buildSizeSplit(o *configOptions) (Route, error) {
	l1, l2 := o.child("l1"), o.child("l2")
	o.need("threshold")
	o.integerOf("retries", o.get("retries"), 1, 1, 10)
	o.unreadIfSet("retries")
	return L1L2SizeSplit(l1, l2, SizeSplitOptions{
		Threshold:  int(o.integer("threshold", 0, 0, math.MaxInt32)),
		MinTTL:     o.exptime("ttl_threshold", 0),
		FailureTTL: o.failureTTL(),
		BothFull:   o.isTrue("both_full_set"),
	}, o.reader.env.Background)
}

// unreadIfSet has an option that was only checked be named as one without effect.
func (o *configOptions) unreadIfSet(name string) { delete(o.seen, name) }

func (o *configOptions) failureTTL() time.Duration {
	v := o.get("failure_ttl")
	if v == nil {
		return 0
	}
	o.integerOf("failure_ttl", v, 0, 1, relativeLimit)
	return o.exptime("failure_ttl", 0)
}

// buildKeySplit keeps several copies of each key.
func buildKeySplit(o *configOptions) (Route, error) {
	child := o.child("destination")
	o.need("replicas")
	o.need("all_sync")
	o.self.copies = int(o.integer("replicas", 2, 2, maxCopies))
	return KeySplit(KeySplitOptions{
		Copies:   o.self.copies,
		HostID:   o.reader.env.HostID,
		AllSync:  o.isTrue("all_sync"),
		FirstHit: o.isTrue("first_hit"),
	}, child)
}

func buildModifyExptime(o *configOptions) (Route, error) {
	target := o.child("target")
	exptime := o.need("exptime")
	ttl := o.exptime("exptime", 0)
	action := SetExptime
	if v := o.ofKind("action", o.get("action"), mcjson.String); v != nil {
		switch v.Str {
		case "set":
		case "min":
			action = MinExptime
		default:
			o.fail(v, `"action" is %q, want set or min`, v.Str)
		}
	}
	if o.err != nil || action == MinExptime && exptime.Int == 0 {
		return target, nil
	}
	return ModifyExptime(action, ttl, target)
}

func buildModifyKey(o *configOptions) (Route, error) {
	target := o.child("target")
	var change KeyChange
	if v := o.ofKind("set_routing_prefix", o.get("set_routing_prefix"), mcjson.String); v != nil {
		if v.Str != "" && !isRoutingPrefix(v.Str) {
			o.failWith(v, ErrRoutingPrefix)
		}
		change.RoutingPrefix = &v.Str
		o.warn(v, "a routing prefix is for the top of a configuration; below it, it stays in the key that is sent")
	}
	change.Prefix = o.text("ensure_key_prefix")
	change.Suffix = o.text("set_key_suffix")
	replace := o.get("replace_key_prefix")
	change.Replace = o.text("replace_key_prefix")
	if v := o.ofKind("modify_inplace", o.get("modify_inplace"), mcjson.Bool); v != nil && v.Bool {
		if replace != nil {
			o.fail(v, `"modify_inplace" and "replace_key_prefix" do not go together`)
		}
		o.warn(v, `"modify_inplace" has no effect here: the prefix is put before the key`)
	}
	if o.err != nil {
		return nil, nil
	}
	return ModifyKey(change, target)
}
