package route

import (
	"math"
	"time"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// configOptions reads the options of one handle or pool. After the first mistake, which err keeps, they return values that
// constructors can work with.
type configOptions struct {
	reader   *configReader
	kind     string        // "KeySplitRoute", or "pool"
	at       *mcjson.Value // its place
	from     []*mcjson.Value
	argument *mcjson.Value // of the short form; from is empty then
	short    string        // the option that argument stands for
	self     *handle
	seen     map[string]bool
	err      error
}

// fail notes a mistake at v.
func (o *configOptions) fail(v *mcjson.Value, format string, args ...any) {
	if o.err == nil {
		o.err = v.Errorf(format, args...)
	}
}

// failWith notes err as a mistake at v.
func (o *configOptions) failWith(v *mcjson.Value, err error) {
	if o.err == nil && err != nil {
		o.err = causedAt(v, err)
	}
}

func (o *configOptions) warn(v *mcjson.Value, format string, args ...any) {
	if v != nil {
		o.reader.warn(v.Pos, format, args...)
	}
}

// get returns an option, nil if there is none, and ticks it off.
func (o *configOptions) get(name string) *mcjson.Value {
	if o.argument != nil && name == o.short {
		return o.argument
	}
	for _, v := range o.from {
		if option := v.Get(name); option != nil {
			o.seen[name] = true
			return option
		}
	}
	return nil
}

// need is get for an option that must be there.
func (o *configOptions) need(name string) *mcjson.Value {
	v := o.get(name)
	if v == nil {
		o.fail(o.at, "%s needs %q", o.kind, name)
	}
	return v
}

// ofKind returns v if it is of a kind, else nil.
func (o *configOptions) ofKind(name string, v *mcjson.Value, kind mcjson.Kind) *mcjson.Value {
	if v == nil || v.Kind == kind {
		return v
	}
	o.fail(v, "%q is %s, want %s", name, v.Kind, kind)
	return nil
}

func (o *configOptions) givenName() string {
	if len(o.from) == 0 {
		return ""
	}
	if name := o.from[0].Get("name"); name != nil && o.kind != "pool" {
		return name.Str
	}
	return ""
}

func (o *configOptions) text(name string) string {
	if v := o.ofKind(name, o.get(name), mcjson.String); v != nil {
		return v.Str
	}
	return ""
}

func (o *configOptions) isTrue(name string) bool {
	v := o.ofKind(name, o.get(name), mcjson.Bool)
	return v != nil && v.Bool
}

// integer returns an int from least to most, byDefault if there is none.
func (o *configOptions) integer(name string, byDefault, least, most int64) int64 {
	return o.integerOf(name, o.get(name), byDefault, least, most)
}

func (o *configOptions) integerOf(name string, v *mcjson.Value, byDefault, least, most int64) int64 {
	if v = o.ofKind(name, v, mcjson.Int); v == nil {
		return byDefault
	}
	if v.Int < least || v.Int > most {
		if most == math.MaxInt64 {
			o.fail(v, "%q is %d, want at least %d", name, v.Int, least)
		} else {
			o.fail(v, "%q is %d, want %d to %d", name, v.Int, least, most)
		}
		return byDefault
	}
	return v.Int
}

// number returns an int or float, byDefault if there is none.
func (o *configOptions) number(name string, byDefault float64) float64 {
	return o.numberOf(name, o.get(name), byDefault)
}

func (o *configOptions) numberOf(name string, v *mcjson.Value, byDefault float64) float64 {
	if v == nil {
		return byDefault
	}
	n, ok := v.Number()
	if !ok {
		o.fail(v, "%q is %s, want a number", name, v.Kind)
		return byDefault
	}
	return n
}

// maxTimeoutMillis is mcrouter's longest timeout.
const maxTimeoutMillis = 1_000_000

func (o *configOptions) millis(name string, least int64) time.Duration {
	return time.Duration(o.integer(name, 0, least, maxTimeoutMillis)) * time.Millisecond
}

// maxExptime is the longest time to live that an option can be, in seconds: a hundred years.
const maxExptime = 100 * 365 * 24 * 60 * 60

// exptime returns a time to live in seconds.
func (o *configOptions) exptime(name string, byDefault int64) time.Duration {
	v := o.get(name)
	seconds := o.integerOf(name, v, byDefault, 0, maxExptime)
	if seconds > relativeLimit {
		o.warn(v, "%q is more than 30 days, which memcached takes for a date if mcrouter sends it; here it is a time from then on", name)
	}
	return time.Duration(seconds) * time.Second
}

// objectOf returns the options of an object within, nil if there is none.
func (o *configOptions) object(name string) *configOptions {
	v := o.ofKind(name, o.get(name), mcjson.Object)
	if v == nil {
		return nil
	}
	return o.within(name, v)
}

// within returns the options of v, an object, as options of o.
func (o *configOptions) within(name string, v *mcjson.Value) *configOptions {
	return &configOptions{
		reader: o.reader, kind: o.kind + "." + name, at: v, from: []*mcjson.Value{v}, self: o.self, seen: make(map[string]bool),
	}
}

// done takes over the mistake of options within, or their warnings.
func (o *configOptions) done(within *configOptions) {
	if within == nil {
		return
	}
	if within.err != nil {
		if o.err == nil {
			o.err = within.err
		}
		return
	}
	within.warnUnread()
}

// array returns the items of an option, nil if there is none.
func (o *configOptions) array(name string) []*mcjson.Value {
	if v := o.ofKind(name, o.get(name), mcjson.Array); v != nil {
		return v.Items
	}
	return nil
}

// texts returns a list of strings.
func (o *configOptions) texts(name string) (texts []string) {
	for _, item := range o.array(name) {
		if item.Kind != mcjson.String {
			o.fail(item, "%q holds %s, want strings", name, item.Kind)
			return nil
		}
		texts = append(texts, item.Str)
	}
	return texts
}

// numbers returns a list of numbers.
func (o *configOptions) numbers(name string) (numbers []float64) {
	for _, item := range o.array(name) {
		numbers = append(numbers, o.numberOf(name, item, 0))
	}
	return numbers
}

// child returns the route that an option names; it is required.
func (o *configOptions) child(name string) Route { return o.childFor(name, allOperations) }

func (o *configOptions) childFor(name string, ops operations) Route {
	v := o.need(name)
	if v == nil {
		return Null()
	}
	return o.childOf(v, ops)
}

// childOf returns the route that v stands for, which ops may reach.
func (o *configOptions) childOf(v *mcjson.Value, ops operations) Route {
	if o.err != nil {
		return Null()
	}
	h, err := o.reader.one(v)
	if err != nil {
		o.err = err
		return Null()
	}
	o.self.edges = append(o.self.edges, edge{h, ops})
	return h.route
}

// children returns the handles of a list.
func (o *configOptions) children(name string) []*handle {
	v := o.get(name)
	if v == nil || o.err != nil {
		return nil
	}
	list, err := o.reader.list(v)
	if err != nil {
		o.err = err
		return nil
	}
	for _, h := range list {
		o.self.edges = append(o.self.edges, edge{h, allOperations})
	}
	return list
}

// routesOf returns the routes of handles.
func routesOf(list []*handle) []Route {
	routes := make([]Route, len(list))
	for i, h := range list {
		routes[i] = h.route
	}
	return routes
}

// warnUnread names the options that nobody has read.
func (o *configOptions) warnUnread() {
	for _, v := range o.from {
		for _, m := range v.Members {
			if o.seen[m.Name] {
				continue
			}
			o.seen[m.Name] = true
			switch why := whyIgnored(o.kind, m.Name); {
			case why != "" && m.Value.Kind == mcjson.Bool && !m.Value.Bool: // it is not to have any
			case why != "":
				o.reader.warn(m.Pos, "%q of %s has no effect here: %s", m.Name, o.kind, why)
			default:
				o.reader.warn(m.Pos, "unknown option %q of %s", m.Name, o.kind)
			}
		}
	}
}
