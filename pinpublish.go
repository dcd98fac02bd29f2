package memcache

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/rulestore"
)

// publishPins has this process report which keys it cannot help by copies, and publish pins for those of the whole fleet while
// it is the one that is elected to.
func (c *Client) publishPins(ctx context.Context) error {
	id := fmt.Sprintf("%016x", rand.Uint64())
	reports := rulestore.NewReports(c.orderOf)
	home := func(key string) string { return c.view.Load().homeOf(key) }
	publisher, err := rulestore.NewPublisher(rulestore.PublisherConfig{
		ID: id, Follower: c.remedies.follower, Lease: rulestore.NewMemcachedLease(c.orderOf),
		Rules: rulestore.Pins(reports, c.nodeNames, home),
	})
	if err != nil {
		return err
	}
	c.wg.Go(func() { _ = publisher.Run(ctx) }) // its error is that of ctx
	c.wg.Go(func() { c.sendReports(ctx, id, reports) })
	return nil
}

// sendReports reports until ctx ends. What fails is not repeated: the next one says as much.
func (c *Client) sendReports(ctx context.Context, id string, reports *rulestore.Reports) {
	before := c.costs()
	for began := time.Now(); ; began = time.Now() {
		pause(ctx, rulestore.ReportInterval)
		if ctx.Err() != nil {
			return
		}
		now, seconds := c.costs(), time.Since(began).Seconds()
		loads := make(map[string]float64, len(now))
		for name, cost := range now {
			loads[name] = max(0, cost-before[name]) / seconds
		}
		before = now
		total := c.detector.Stats().CostPerSecond
		_ = reports.Send(ctx, rulestore.NewReport(id, c.nodeNames(), loads, c.remedies.toPin(), total))
	}
}

// costs returns what each node has cost so far, in the unit of the detector.
func (c *Client) costs() map[string]float64 {
	costs := make(map[string]float64)
	request := cmp.Or(c.cfg.hotKeys.RequestCost, hotkey.DefaultRequestCost)
	for _, n := range c.view.Load().nodes {
		s := n.Stats()
		costs[n.Name()] = float64(s.BytesIn+s.BytesOut) + float64(request)*float64(s.Requests)
	}
	return costs
}

func (c *Client) nodeNames() []string { return c.view.Load().names() }

// toPin returns the keys that only another home would relieve: they are written too often for copies.
func (r *remedies) toPin() []hotkey.Remedy {
	found := r.found.Load()
	if found == nil {
		return nil
	}
	pins := slices.Clone(*found)
	pins = slices.DeleteFunc(pins, func(m hotkey.Remedy) bool { return !m.Decision.WriteHot || m.Decision.Action.Kind != hotkey.None })
	for i := range pins {
		pins[i].Decision.Action.Kind = hotkey.Pin
	}
	return pins
}
