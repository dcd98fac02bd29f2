package route

import (
	"math"
	"time"

	"github.com/nohop/memcache/route/internal/mcjson"
)

// configOptions are the members of one handle, pool or policy. Each that is asked for is ticked off, so that in the end
// those that nobody asked for are known.
type configOptions struct {
	loader *configLoader
	object *mcjson.Value // the object, or the text of a short form
	kind   string        // of a handle: its type
	arg    *mcjson.Value // of a short form: what follows the type; nil for an object
	asked  map[string]bool
}

func (l *configLoader) options(v *mcjson.Value, kind string) *configOptions {
	return &configOptions{loader: l, object: v, kind: kind, asked: map[string]bool{"type": true, "name": true}}
}

// get returns a member and ticks it off; nil if it is not there.
func (o *configOptions) get(name string) *mcjson.Value {
	o.asked[name] = true
	return o.object.Get(name)
}

// require is get for a member that must be there.
func (o *configOptions) require(name string) (*mcjson.Value, error) {
	if v := o.get(name); v != nil {
		return v, nil
	}
	return nil, o.object.Errorf("%s needs %q", o.kind, name)
}

// finish warns of the members that nobody asked for.
func (o *configOptions) finish() {
	for _, m := range o.object.Members {
		if o.asked[m.Name] {
			continue
		}
		text := "option " + quoted(m.Name) + " of " + o.kind + " is not known"
		if why, ok := meaningless[m.Name]; ok {
			text = "option " + quoted(m.Name) + " of " + o.kind + " has no meaning here: " + why
		}
		o.loader.warn(m.Pos.String(), text)
	}
}

func (o *configOptions) float(name string, otherwise, least, most float64) (float64, error) {
	v := o.get(name)
	if v == nil {
		return otherwise, nil
	}
	n, ok := v.Number()
	if !ok || math.IsNaN(n) || n < least || n > most {
		return 0, v.Errorf("%q must be a number from %v to %v", name, least, most)
	}
	return n, nil
}

func (o *configOptions) int(name string, otherwise, least, most int64) (int64, error) {
	v := o.get(name)
	if v == nil {
		return otherwise, nil
	}
	if v.Kind != mcjson.Int || v.Int < least || v.Int > most {
		return 0, v.Errorf("%q must be a whole number from %d to %d", name, least, most)
	}
	return v.Int, nil
}

func (o *configOptions) bool(name string) (bool, error) {
	v := o.get(name)
	if v == nil {
		return false, nil
	}
	if v.Kind != mcjson.Bool {
		return false, v.Errorf("%q must be true or false", name)
	}
	return v.Bool, nil
}

func (o *configOptions) string(name, otherwise string) (string, error) {
	v := o.get(name)
	if v == nil {
		return otherwise, nil
	}
	if v.Kind != mcjson.String {
		return "", v.Errorf("%q must be a string", name)
	}
	return v.Str, nil
}

// maxSeconds is the longest time that an option can be: a hundred years.
const maxSeconds = 100 * 365 * 24 * 60 * 60

func (o *configOptions) seconds(name string, otherwise int64) (time.Duration, error) {
	n, err := o.int(name, otherwise, 0, maxSeconds)
	return time.Duration(n) * time.Second, err
}

func (o *configOptions) milliseconds(name string) (time.Duration, error) {
	n, err := o.int(name, 0, 0, 1000*60*60)
	return time.Duration(n) * time.Millisecond, err
}

// floats returns a list of numbers from least to most; nil if it is not there.
func (o *configOptions) floats(name string, least, most float64) ([]float64, error) {
	v := o.get(name)
	if v == nil {
		return nil, nil
	}
	if v.Kind != mcjson.Array {
		return nil, v.Errorf("%q must be a list of numbers", name)
	}
	var list []float64
	for _, item := range v.Items {
		n, ok := item.Number()
		if !ok || math.IsNaN(n) || n < least || n > most {
			return nil, item.Errorf("%q must be numbers from %v to %v", name, least, most)
		}
		list = append(list, n)
	}
	return list, nil
}

func (o *configOptions) strings(name string) ([]string, error) {
	v := o.get(name)
	if v == nil {
		return nil, nil
	}
	return stringsOf(v, name)
}

func stringsOf(v *mcjson.Value, name string) ([]string, error) {
	if v.Kind != mcjson.Array {
		return nil, v.Errorf("%q must be a list of strings", name)
	}
	var list []string
	for _, item := range v.Items {
		if item.Kind != mcjson.String {
			return nil, item.Errorf("%q must be strings", name)
		}
		list = append(list, item.Str)
	}
	return list, nil
}

// object returns the options in a member that is an object; nil if it is not there.
func (o *configOptions) sub(name string) (*configOptions, error) {
	v := o.get(name)
	if v == nil {
		return nil, nil
	}
	if v.Kind != mcjson.Object {
		return nil, v.Errorf("%q must be an object", name)
	}
	return o.loader.options(v, o.kind+"."+name), nil
}

// route builds a member that is a route and must be there; of a short form, what follows the type.
func (o *configOptions) route(name string) (Route, error) {
	if o.arg != nil {
		return o.loader.route(o.arg)
	}
	v, err := o.require(name)
	if err != nil {
		return nil, err
	}
	return o.loader.route(v)
}

// children builds a member that is a list of routes with one at least; of a short form, what follows the type.
func (o *configOptions) children(name string) ([]configChild, error) {
	v := o.arg
	if v == nil {
		var err error
		if v, err = o.require(name); err != nil {
			return nil, err
		}
	}
	list, err := o.loader.children(v)
	if err == nil && len(list) == 0 {
		err = v.Errorf("%s has no children", o.kind)
	}
	return list, err
}
