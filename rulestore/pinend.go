package rulestore

import (
	"cmp"
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
	held := slices.Collect(before.At(now).Rules())
	for i := range held {
		olds := pinsOf(held, held[i].Key)
		if len(olds) == 0 || olds[0] != &held[i] {
			continue
		}
		if err := d.keepPin(olds, now); err != nil {
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

// pinsOf returns the pins of a key among rules: that in force first, those that end last.
func pinsOf(rules []hotkey.Rule, key string) (pins []*hotkey.Rule) {
	for i := range rules {
		if r := &rules[i]; r.Action.Kind == hotkey.Pin && r.Key == key {
			pins = append(pins, r)
		}
	}
	slices.SortStableFunc(pins, func(a, b *hotkey.Rule) int { return cmp.Compare(rank(a), rank(b)) })
	return pins
}

// rank is the lower, the earlier a pin is obeyed among those of its key.
func rank(r *hotkey.Rule) int {
	rank := int(r.Origin)
	if !r.Pins() {
		rank += int(hotkey.Automatic) + 1
	}
	return rank
}

// keepPin does that for the pins that one key had, that in force first. A second one decides about nothing, so it may go.
func (d *Draft) keepPin(olds []*hotkey.Rule, now time.Time) error {
	news := pinsOf(d.Rules, olds[0].Key)
	isPinned := len(news) > 0 && news[0].Pins()
	if isPinned && !continues(news[0], olds[0]) {
		return ErrPinMoves
	}
	for _, r := range news {
		if err := complete(r, olds, now); err != nil {
			return err
		}
	}
	for i, old := range olds {
		isOver := !old.Pins() || i == 0 && !isPinned
		if !isOver || slices.ContainsFunc(news, endOf(old)) {
			continue
		}
		if err := d.end(*old, now); err != nil {
			return err
		}
	}
	return nil
}

// complete fills in a pin of a draft from those that its key had.
func complete(r *hotkey.Rule, olds []*hotkey.Rule, now time.Time) error {
	if !r.Pins() {
		if r.Expires.IsZero() {
			r.Expires = now.Add(PinEnding)
		}
		return nil
	}
	i := slices.IndexFunc(olds, func(old *hotkey.Rule) bool { return continues(r, old) })
	if i < 0 {
		return ErrPinMoves
	}
	r.Since = olds[i].Since
	return nil
}

// continues reports whether r leaves a key where old, which is in force, has it.
func continues(r, old *hotkey.Rule) bool {
	return old.Pins() && slices.Equal(r.Action.Nodes, old.Action.Nodes)
}

// endOf finds what tells of the end of old.
func endOf(old *hotkey.Rule) func(*hotkey.Rule) bool {
	return func(r *hotkey.Rule) bool { return !r.Pins() && slices.Equal(r.Action.Nodes, old.Action.Nodes) }
}

// end puts a pin that was taken out in again, as one that ends. Nobody made that rule, and another one for the key may have
// taken its place, so it is an automatic one, in the place of any other automatic one but a pin.
func (d *Draft) end(old hotkey.Rule, now time.Time) error {
	if old.Pins() {
		old.Expires = now.Add(PinEnding)
	}
	old.Action.Ends, old.Origin = true, hotkey.Automatic
	isAutomatic := func(r *hotkey.Rule) bool { return r.Origin == hotkey.Automatic }
	if slices.ContainsFunc(pinsOf(d.Rules, old.Key), isAutomatic) {
		return ErrPinMoves
	}
	d.Put(old)
	return nil
}
