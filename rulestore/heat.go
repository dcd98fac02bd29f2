package rulestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Bounds of Heat.
const (
	heatPrefix   = Reserved + "h"
	heatInterval = time.Second
	heatWindow   = 2 * time.Second
	heatTTL      = 10 // seconds
	heatKeys     = 16 // candidates in a round
)

// HeatConfig says whose heat is counted, and where. Order and Detector are required.
type HeatConfig struct {
	Order    Order
	Detector *hotkey.Detector
	// Share is the Options.Share of the detector; default 0.01. A quarter of it makes a key a candidate.
	Share float64
	// OnError is told of a round that failed, in part or whole. Default: nobody is.
	OnError func(error)
}

// Heat learns how hot keys are over all processes of a fleet. Once a second it adds the cost of this process's hottest
// keys, and that of all its ops, to counters in memcached that belong to a window of two seconds of the wall clock. The
// replies are what the fleet has added so far, so their ratio is the key's share of the fleet, known to all without
// anybody who collects it. It tells the shares to the detector.
//
// The share is an estimate. Halfway through a window some processes have added twice, others once, which matters only where
// they are few; and clocks that differ blur the windows.
//
// A round is 17 small requests at most, over all nodes. Servers without meta commands cannot do it; the error says so. What
// fails is not repeated: the detector then goes by what the process sees alone. Safe for concurrent use.
type Heat struct {
	cfg HeatConfig

	mu     sync.Mutex // guards what follows
	window int64
	shares []hotkey.FleetShare // of the window, or of the one before if that is not half over
}

// NewHeat returns a Heat that does nothing until Run. The error is ErrBadConfig.
func NewHeat(cfg HeatConfig) (*Heat, error) {
	switch {
	case cfg.Order == nil || cfg.Detector == nil:
		return nil, fmt.Errorf("%w: heat needs an order of nodes and a detector", ErrBadConfig)
	case cfg.Share < 0 || cfg.Share > 1 || math.IsNaN(cfg.Share):
		return nil, fmt.Errorf("%w: share is not between 0 and 1", ErrBadConfig)
	case cfg.Share == 0:
		cfg.Share = 0.01
	}
	return &Heat{cfg: cfg}, nil
}

// Run makes a round each second, until ctx ends, whose error it returns. It begins at a moment of the second that chance
// picks, so that the processes of a fleet do not come together.
func (h *Heat) Run(ctx context.Context) error {
	if !sleep(ctx, rand.N(heatInterval)) {
		return ctx.Err()
	}
	ticker := time.NewTicker(heatInterval)
	defer ticker.Stop()
	for {
		h.tell(h.Round(ctx, time.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (h *Heat) tell(err error) {
	if err != nil && h.cfg.OnError != nil {
		h.cfg.OnError(err)
	}
}

// Round adds what the detector saw in the trailing second, and tells the detector what came back. Run calls it; call it once
// a second if you do not use Run. The error joins those of all requests.
func (h *Heat) Round(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, heatInterval)
	defer cancel()
	window := now.UnixNano() / int64(heatWindow)
	half := now.UnixNano()%int64(heatWindow) >= int64(heatWindow)/2
	counts := h.counts(window)
	if counts == nil {
		h.forget(window)
		return nil
	}
	ops := make([]*pool.Op, len(counts))
	for i := range counts {
		ops[i] = counts[i].op
	}
	if err := h.cfg.Order.doAtHomes(ctx, ops); err != nil {
		h.forget(window)
		return err
	}
	shares, err := sharesOf(counts)
	h.learn(window, half, shares)
	return err
}

// count is a counter that is being added to.
type count struct {
	hash uint64 // of the key; not of the first, which counts everything
	op   *pool.Op
}

// counts returns the counters of this process's share: that of all ops first. None if there are no ops.
func (h *Heat) counts(window int64) []count {
	total := h.cfg.Detector.Stats().CostPerSecond
	if total < 1 {
		return nil
	}
	counts := []count{{0, newOp(add(totalKey(window), total))}}
	for _, k := range h.cfg.Detector.Top(heatKeys) {
		if k.Share >= h.cfg.Share/4 {
			counts = append(counts, count{k.Hash, newOp(add(heatKey(window, k.Hash), k.Share*total))})
		}
	}
	return counts
}

func totalKey(window int64) string { return heatPrefix + strconv.FormatInt(window, 36) }

func heatKey(window int64, hash uint64) string {
	return totalKey(window) + "." + strconv.FormatUint(hash, 36)
}

// add counts cost, from nothing if the counter is not there: "ma <key> D<cost> N10 J<cost> v".
func add(key string, cost float64) protocol.Request {
	n := uint64(math.Round(min(max(cost, 0), 1<<52)))
	return protocol.Request{
		Command: protocol.Increment, Key: key, Delta: n, Initial: n, VivifyTTL: heatTTL,
		Meta: protocol.ReturnValue | protocol.Vivify | protocol.WithInitial,
	}
}

// sharesOf reads the replies. Without the total there are no shares.
func sharesOf(counts []count) ([]hotkey.FleetShare, error) {
	total, err := sumOf(counts[0].op)
	if err != nil || total == 0 {
		return nil, err
	}
	var shares []hotkey.FleetShare
	var errs []error
	for _, c := range counts[1:] {
		sum, err := sumOf(c.op)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		shares = append(shares, hotkey.FleetShare{Hash: c.hash, Share: min(1, sum/total)})
	}
	return shares, errors.Join(errs...)
}

// sumOf returns what a counter has come to.
func sumOf(op *pool.Op) (float64, error) {
	if op.Err != nil {
		return 0, op.Err
	}
	n, ok := protocol.ParseNumber(op.Value)
	if !ok || op.Reply.Status != protocol.OK {
		return 0, ErrBadNumber
	}
	return float64(n), nil
}

// learn tells the detector the shares of now. In the first half of a window some processes have not added yet, and who is
// first sees himself alone, so what was known of the window before counts until then.
func (h *Heat) learn(window int64, half bool, shares []hotkey.FleetShare) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case half:
		h.window, h.shares = window, shares
	case h.window < window-1:
		h.shares = nil
	}
	h.cfg.Detector.SetFleetShares(h.shares)
}

// forget is for a round that brings nothing.
func (h *Heat) forget(window int64) { h.learn(window, false, nil) }
