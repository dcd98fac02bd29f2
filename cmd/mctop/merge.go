package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// requestCost is what an op costs beside its bytes: the default of hotkey.Options.
const requestCost = 1024

// merge adds reports up. Shares are of the cost of all ops in all of them.
func merge(reports []hotkey.Report, n int) hotkey.Report {
	if len(reports) == 1 {
		return reports[0]
	}
	all := hotkey.Report{Time: time.Now()}
	var cost float64
	var names []string
	for _, r := range reports {
		cost += costOf(r)
		all.OpsPerSecond += r.OpsPerSecond
		all.BytesPerSecond += r.BytesPerSecond
		all.MissesPerSecond += r.MissesPerSecond
		all.Notes = append(all.Notes, r.Notes...)
		names = append(names, r.Source)
	}
	all.Source = strings.Join(names, ", ")
	all.Keys = mergeKeys(reports, cost, n)
	all.Missed = mergeMissed(reports, n, func(r hotkey.Report) []hotkey.ReportMissed { return r.Missed })
	all.Families = mergeMissed(reports, n, func(r hotkey.Report) []hotkey.ReportMissed { return r.Families })
	return all
}

func costOf(r hotkey.Report) float64 { return r.BytesPerSecond + r.OpsPerSecond*requestCost }

// mean is a weighted mean that grows; nil values have no weight.
func mean(a *float64, aWeight float64, b *float64, bWeight float64) *float64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	if aWeight+bWeight == 0 {
		return a
	}
	m := (*a*aWeight + *b*bWeight) / (aWeight + bWeight)
	return &m
}

// homes are the nodes of a merged line, that with the most ops first.
type homes struct {
	first string
	most  float64
	all   map[string]bool
}

func (h *homes) add(home string, weight float64) {
	if home == "" {
		return
	}
	if h.all == nil {
		h.all = map[string]bool{}
	}
	h.all[home] = true
	if h.first == "" || weight > h.most {
		h.first, h.most = home, weight
	}
}

func (h *homes) String() string {
	if len(h.all) > 1 {
		return fmt.Sprintf("%s +%d", h.first, len(h.all)-1)
	}
	return h.first
}

func mergeKeys(reports []hotkey.Report, cost float64, n int) []hotkey.ReportKey {
	lines := []hotkey.ReportKey{}
	seen := map[string]int{} // by ID
	owners := map[string]*homes{}
	for _, r := range reports {
		part := 0.0
		if cost > 0 {
			part = costOf(r) / cost
		}
		for _, k := range r.Keys {
			k.Share *= part
			if owners[k.ID] == nil {
				owners[k.ID] = new(homes)
			}
			owners[k.ID].add(k.Home, k.OpsPerSecond)
			if i, ok := seen[k.ID]; ok {
				lines[i] = addKeys(lines[i], k)
				continue
			}
			seen[k.ID] = len(lines)
			lines = append(lines, k)
		}
	}
	for i := range lines {
		lines[i].Home = owners[lines[i].ID].String()
	}
	slices.SortStableFunc(lines, func(a, b hotkey.ReportKey) int { return cmp.Compare(b.Share, a.Share) })
	return lines[:min(n, len(lines))]
}

func addKeys(a, b hotkey.ReportKey) hotkey.ReportKey {
	aReads, bReads := a.OpsPerSecond*(1-a.WriteShare), b.OpsPerSecond*(1-b.WriteShare)
	a.HitRatio = mean(a.HitRatio, aReads, b.HitRatio, bReads)
	if ops := a.OpsPerSecond + b.OpsPerSecond; ops > 0 {
		a.WriteShare = (a.WriteShare*a.OpsPerSecond + b.WriteShare*b.OpsPerSecond) / ops
		a.ItemSize = int((float64(a.ItemSize)*a.OpsPerSecond + float64(b.ItemSize)*b.OpsPerSecond) / ops)
	}
	a.OpsPerSecond += b.OpsPerSecond
	a.BytesPerSecond += b.BytesPerSecond
	a.Share += b.Share
	a.Sampled += b.Sampled
	a.FleetShare = max(a.FleetShare, b.FleetShare) // of the same fleet: each knows it more or less
	a.Key, a.Remedy, a.Origin = cmp.Or(a.Key, b.Key), cmp.Or(a.Remedy, b.Remedy), cmp.Or(a.Origin, b.Origin)
	if a.Hot.IsZero() || !b.Hot.IsZero() && b.Hot.Before(a.Hot) {
		a.Hot = b.Hot
	}
	return a
}

func mergeMissed(reports []hotkey.Report, n int, of func(hotkey.Report) []hotkey.ReportMissed) []hotkey.ReportMissed {
	lines := []hotkey.ReportMissed{}
	seen := map[string]int{}
	owners := map[string]*homes{}
	for _, r := range reports {
		for _, m := range of(r) {
			if owners[m.ID] == nil {
				owners[m.ID] = new(homes)
			}
			owners[m.ID].add(m.Home, m.MissesPerSecond)
			if i, ok := seen[m.ID]; ok {
				lines[i] = addMissed(lines[i], m)
				continue
			}
			seen[m.ID] = len(lines)
			lines = append(lines, m)
		}
	}
	for i := range lines {
		lines[i].Home = owners[lines[i].ID].String()
	}
	slices.SortStableFunc(lines, func(a, b hotkey.ReportMissed) int { return cmp.Compare(b.MissesPerSecond, a.MissesPerSecond) })
	return lines[:min(n, len(lines))]
}

func addMissed(a, b hotkey.ReportMissed) hotkey.ReportMissed {
	a.HitRatio = mean(a.HitRatio, readsOf(a), b.HitRatio, readsOf(b))
	a.MissesPerSecond += b.MissesPerSecond
	a.Sampled += b.Sampled
	a.Key, a.Template, a.Origin = cmp.Or(a.Key, b.Key), cmp.Or(a.Template, b.Template), cmp.Or(a.Origin, b.Origin)
	return a
}

// readsOf is the rate of reads of which the misses are a part.
func readsOf(m hotkey.ReportMissed) float64 {
	if m.HitRatio == nil || *m.HitRatio >= 1 {
		return m.MissesPerSecond
	}
	return m.MissesPerSecond / (1 - *m.HitRatio)
}
