package route

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/route/internal/mcjson"
)

func buildNull(*configOptions) (Route, error) { return Null(), nil }

// buildError is "ErrorRoute|text".
func buildError(o *configOptions) (Route, error) {
	cause := ErrConfigured
	if v := o.ofKind("result", o.get("result"), mcjson.String); v != nil {
		named, err := NamedError(v.Str)
		if err != nil {
			o.failWith(v, err)
			return nil, nil
		}
		cause = named.(*errorRoute).err
	}
	if text := o.text("response"); text != "" {
		cause = fmt.Errorf("%w: %s", cause, text)
	}
	return Error(cause), nil
}

func buildLogging(o *configOptions) (Route, error) {
	return Logging(o.child("target"), LoggingOptions{Logger: cmp.Or(o.reader.env.Logger, slog.Default())})
}

func buildLatency(o *configOptions) (Route, error) {
	child := o.child("child")
	return Latency(child, LatencyOptions{
		Before: o.millis("before_latency_ms", 0), After: o.millis("after_latency_ms", 0), Total: o.millis("total_latency_ms", 0),
	})
}

func buildRateLimit(o *configOptions) (Route, error) {
	target := o.child("target")
	o.need("rates")
	rates := o.rates()
	if v := o.get("fallback"); v != nil && rates != nil {
		rates.Over = o.childOf(v, allOperations)
	}
	if o.err != nil {
		return nil, nil
	}
	return RateLimit(target, *rates)
}

// buildOutstandingLimit is not a handle that mcrouter's files can name, but one of its own.
func buildOutstandingLimit(o *configOptions) (Route, error) {
	target := o.child("target")
	o.need("max_outstanding")
	return OutstandingLimit(target, OutstandingOptions{Max: int(o.integer("max_outstanding", 1, 1, 1_000_000))})
}

// rates reads "rates", nil if there are none.
func (o *configOptions) rates() *RateLimitOptions {
	rates := o.object("rates")
	if rates == nil {
		return nil
	}
	defer o.done(rates)
	return &RateLimitOptions{Gets: rates.rate("gets"), Sets: rates.rate("sets"), Deletes: rates.rate("deletes")}
}

// rate reads one rate and its burst.
func (o *configOptions) rate(of string) Rate {
	v := o.get(of + "_rate")
	if v == nil {
		return Rate{}
	}
	r := Rate{PerSecond: o.number(of+"_rate", 0), Burst: o.number(of+"_burst", 0)}
	if r.PerSecond <= 0 {
		o.fail(v, "%q is %v, want more than 0", of+"_rate", r.PerSecond)
	}
	if burst := o.get(of + "_burst"); burst != nil && r.Burst < 1 {
		o.fail(burst, "%q is %v, want 1 or more: a request takes a whole token", of+"_burst", r.Burst)
	}
	return r
}

// wrapped puts around each server of a PoolRoute what its options say: a limit, a slow warm-up, shadows.
func (o *configOptions) wrapped(handles []*handle) []*handle {
	if limit := o.integer("max_outstanding", 0, 0, 1_000_000); limit > 0 {
		handles = o.each(handles, func(r Route) (Route, error) {
			return OutstandingLimit(r, OutstandingOptions{Max: int(limit)})
		})
	}
	if warmUp := o.object("slow_warmup"); warmUp != nil {
		handles = o.slowWarmUp(handles, warmUp)
	}
	if v := o.get("shadows"); v != nil {
		handles = o.shadowed(handles, v)
	}
	return handles
}

// each puts something around each of handles, which keeps its name.
func (o *configOptions) each(handles []*handle, around func(Route) (Route, error), more ...edge) []*handle {
	if o.err != nil {
		return handles
	}
	wrapped := make([]*handle, len(handles))
	for i, h := range handles {
		r, err := around(h.route)
		o.failWith(o.at, err)
		wrapped[i] = &handle{route: r, name: h.name, edges: append([]edge{{h, allOperations}}, more...)}
		o.failWith(o.at, o.reader.finish(wrapped[i], o))
	}
	return wrapped
}

// slowWarmUp spares servers that restarted empty.
func (o *configOptions) slowWarmUp(handles []*handle, warmUp *configOptions) []*handle {
	before := len(o.self.edges)
	fallback := warmUp.child("failoverTarget")
	target := o.self.edges[before:]
	var settings SlowWarmUpOptions
	if s := warmUp.object("settings"); s != nil {
		settings = SlowWarmUpOptions{
			Enable: s.needNumber("enable_threshold"), Disable: s.needNumber("disable_threshold"),
			Start: s.number("start", 0), Step: s.number("step", 0),
			MinRequests: int(s.integer("min_requests", 0, 1, math.MaxInt32)),
		}
		warmUp.done(s)
	}
	o.done(warmUp)
	return o.each(handles, func(r Route) (Route, error) { return SlowWarmUp(r, fallback, settings) }, target...)
}

func (o *configOptions) needNumber(name string) float64 {
	o.need(name)
	return o.number(name, 0)
}

// buildShadowRoute is its children, with their shadows.
func buildShadowRoute(o *configOptions) ([]*handle, error) {
	o.need("children")
	children := o.children("children")
	v := o.get("shadows")
	if o.err != nil || v == nil {
		return children, nil
	}
	return o.shadowed(children, v), nil
}

// shadowed puts shadows around those of handles that they are for.
func (o *configOptions) shadowed(handles []*handle, v *mcjson.Value) []*handle {
	if o.ofKind("shadows", v, mcjson.Array) == nil {
		return handles
	}
	for _, item := range v.Items {
		if item.Kind != mcjson.Object {
			o.fail(item, "a shadow is %s, want object", item.Kind)
			return handles
		}
		handles = o.withShadow(handles, o.within("shadows", item))
	}
	return handles
}

// withShadow puts one shadow around those of handles whose index it names; around all, if it names keys.
func (o *configOptions) withShadow(handles []*handle, s *configOptions) []*handle {
	before := len(o.self.edges)
	target := s.child("target")
	toTarget := o.self.edges[before:]
	options := ShadowOptions{Fraction: sampleFraction, Keys: s.texts("keys_to_shadow")}
	from, to := s.indexRange()
	options.From, options.To = s.fractionRange()
	if len(options.Keys) > 0 {
		from, to = 0, int64(len(handles))
	}
	options.Requests = s.fraction("requests_fraction", s.get("requests_fraction"), 1)
	if v := s.get("key_fraction_range_rv"); v != nil {
		o.warn(v, `"key_fraction_range_rv" has no effect here: there are no runtime variables`)
	}
	o.done(s)
	if from, to = min(from, int64(len(handles))), min(to, int64(len(handles))); from == to || options.Requests == 0 {
		o.warn(s.at, `the shadow gets nothing: "index_range" or "requests_fraction" is empty`)
		return handles
	}
	b := o.reader.env.Background
	some := o.each(handles[from:to], func(r Route) (Route, error) { return Shadow(r, target, options, b) }, toTarget...)
	return append(append(append([]*handle{}, handles[:from]...), some...), handles[to:]...)
}

func (o *configOptions) indexRange() (from, to int64) {
	v := o.ofKind("index_range", o.get("index_range"), mcjson.Array)
	if v == nil {
		return 0, 0
	}
	if len(v.Items) != 2 {
		o.fail(v, `"index_range" has %d numbers, want 2`, len(v.Items))
		return 0, 0
	}
	from = o.integerOf("index_range", v.Items[0], 0, 0, math.MaxInt32)
	to = o.integerOf("index_range", v.Items[1], 0, 0, math.MaxInt32)
	if from > to {
		o.fail(v, `"index_range" ends before it begins`)
		return 0, 0
	}
	return from, to
}

// fractionRange reads "key_fraction_range". Both ends are part of it, as numbers of 32 bits.
func (o *configOptions) fractionRange() (from, to float64) {
	v := o.ofKind("key_fraction_range", o.get("key_fraction_range"), mcjson.Array)
	if v == nil {
		return 0, 0
	}
	if len(v.Items) != 2 {
		o.fail(v, `"key_fraction_range" has %d numbers, want 2`, len(v.Items))
		return 0, 0
	}
	from = o.fraction("key_fraction_range", v.Items[0], 0)
	to = o.fraction("key_fraction_range", v.Items[1], 0)
	if from > to {
		o.fail(v, `"key_fraction_range" ends before it begins`)
		return 0, 0
	}
	return math.Floor(from*math.MaxUint32) / (1 << 32), (math.Floor(to*math.MaxUint32) + 1) / (1 << 32)
}

func (o *configOptions) fraction(name string, v *mcjson.Value, byDefault float64) float64 {
	f := o.numberOf(name, v, byDefault)
	if !isFraction(f) {
		o.fail(v, "%q is %v, want 0 to 1", name, f)
		return 0
	}
	return f
}

// sampleFraction is the fraction by which mcrouter copies a key.
func sampleFraction(key string) float64 { return placement.Fraction(placement.BeforeHashStop(key)) }
