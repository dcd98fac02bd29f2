package rulestore

import (
	"slices"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// PinEnding is how long a pin that was taken out of a table stays in it as one that ends. Processes that have it let go within
// seconds (package memcache, "Pins"); the time is for those that start meanwhile, and leaves some minutes for clocks that
// differ.
const PinEnding = 10 * time.Minute

// keepPins has d hold to what processes that start are told of the pins in the table before: a pin does not just go, or name
// other nodes, and one that is new says since when it is there. The error is ErrPinMoves.
func (d *Draft) keepPins(before *hotkey.Table, now time.Time) error {
	for old := range before.At(now).Rules() {
		if old.Action.Kind != hotkey.Pin {
			continue
		}
		if err := d.keepPin(old, now); err != nil {
			return err
		}
	}
	known := func(r *hotkey.Rule) bool {
		for old := range before.Rules() {
			if old.Action.Kind == hotkey.Pin && old.Key == r.Key {
				return true
			}
		}
		return false
	}
	for i := range d.Rules {
		if r := &d.Rules[i]; r.Pins() && r.Since.IsZero() && !known(r) {
			r.Since = now.UTC().Truncate(time.Second)
		}
	}
	return nil
}

func (d *Draft) keepPin(old hotkey.Rule, now time.Time) error {
	isSeenOff := false
	for i := range d.Rules {
		switch r := &d.Rules[i]; {
		case r.Action.Kind != hotkey.Pin || r.Key != old.Key:
		case !r.Pins():
			isSeenOff = true
			if r.Expires.IsZero() {
				r.Expires = now.Add(PinEnding)
			}
		case !old.Pins(), !slices.Equal(r.Action.Nodes, old.Action.Nodes):
			return ErrPinMoves
		default:
			r.Since = old.Since
			return nil
		}
	}
	if !isSeenOff {
		d.end(old, now)
	}
	return nil
}

// end puts a pin that was taken out in again, as one that ends. Nobody made that rule, and another one for the key may have
// taken its place, so it is an automatic one, if there is no such.
func (d *Draft) end(old hotkey.Rule, now time.Time) {
	if old.Pins() {
		old.Expires = now.Add(PinEnding)
	}
	old.Action.Ends, old.Origin = true, hotkey.Automatic
	if !slices.ContainsFunc(d.Rules, func(r hotkey.Rule) bool { return r.Key == old.Key && r.Origin == hotkey.Automatic }) {
		d.Rules = append(d.Rules, old)
	}
}
