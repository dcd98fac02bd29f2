package hotkey

import (
	"cmp"
	"slices"
)

// Remedy is what is done about one hot key.
type Remedy struct {
	Key      Key // smoothed over two seconds
	Decision Decision
}

// Remedies returns what to do about each key that takes a tenth of a node's fair share of the load or more, or did so
// until lately, hottest first; at most 512. Keys that a rule of explicit decides are left out, but one of kind Auto only
// sets the Staleness; explicit is a table without automatic rules, or nil. The first time that a key turns out to be write-hot, or that nothing can be done
// about it, it publishes a WriteHot or Advice event. Call it after Tick.
//
// All this is liberal on purpose: a key that is not hot after all costs one copy and changes no meaning.
func (d *Detector) Remedies(p Policy, explicit *Table) []Remedy {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := p.withDefaults().KeepBytes
	var remedies []Remedy
	for _, w := range d.acting() {
		if w.size == 0 {
			continue // an eye has told of it, and nobody knows yet what it is like: this process has not read it
		}
		key := w.key()
		key.Name, key.FleetShare, key.Origin = d.sink.name(key.Hash), d.fleet[key.Hash], d.origin(w.eyes)
		policy := p
		if rule := explicit.Lookup(key.Hash, key.Name); rule != nil {
			if rule.Action.Kind != Auto {
				continue
			}
			policy.Staleness = rule.Action.Staleness
		}
		decision := Choose(policy, d.facts(&key, left))
		if decision.Action.Kind == Keep {
			left -= key.ItemSize
		}
		d.tell(w, Event{Time: d.last, Key: key, Decision: decision})
		remedies = append(remedies, Remedy{key, decision})
	}
	return remedies
}

// acting returns the keys that are acted on, hottest first.
func (d *Detector) acting() []*watch {
	var list []*watch
	for w := range d.watched.all() {
		if w.act.on {
			list = append(list, w)
		}
	}
	slices.SortFunc(list, func(a, b *watch) int { return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.hash, b.hash)) })
	return list
}

func (d *Detector) facts(k *Key, keepLeft int) Facts {
	share := k.Share
	if k.FleetShare > 0 {
		share = k.FleetShare
	}
	return Facts{
		Share:        share,
		OpsPerSecond: k.OpsPerSecond,
		ItemSize:     k.ItemSize,
		WriteShare:   k.WriteShare,
		Nodes:        d.nodes,
		KeepLeft:     keepLeft,
	}
}

// tell publishes e as WriteHot and as Advice if it is that, each once for as long as the key is watched.
func (d *Detector) tell(w *watch, e Event) {
	if e.Decision.WriteHot && !w.saidWriteHot {
		w.saidWriteHot = true
		e.Kind = WriteHot
		d.stream.publish(e)
	}
	if e.Decision.Action.Kind == None && !e.Decision.WriteHot && !w.saidAdvice {
		w.saidAdvice = true
		e.Kind = Advice
		d.stream.publish(e)
	}
}
