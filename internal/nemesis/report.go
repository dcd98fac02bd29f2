package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nohop/memcache/internal/history"
)

// report is what a run did and found.
type report struct {
	seed       uint64
	rounds     int
	evictions  int
	outcomes   map[string]int // operations by command and outcome
	seen       coverage
	violations map[string]*finding
	undecided  int // keys that the check of registers gave up on

	mu     sync.Mutex
	faults map[string]int // by kind; guarded by mu
}

// run plays rounds until the time is over, or what is expected was seen, and says on out what it begins with.
func run(ctx context.Context, cfg config, out io.Writer) (*report, error) {
	dir := cfg.dir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "nemesis")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "seed %d, %v, %s, faults %s\n", cfg.seed, cfg.duration, cfg.topology, strings.Join(cfg.faults, ","))
	if why := labMissing(); why != "" {
		fmt.Fprintf(out, "LEFT OUT: dropped packets and cut cables: %s\n", why)
	}
	if names, why := cfg.leftOut(); names != nil {
		fmt.Fprintf(out, "LEFT OUT: %s: %s\n", strings.Join(names, ", "), why)
	}
	r := &report{
		seed: cfg.seed, faults: map[string]int{}, outcomes: map[string]int{}, violations: map[string]*finding{},
	}
	for left := cfg.duration; left > 0 && ctx.Err() == nil; left -= cfg.round {
		one := &round{
			cfg: cfg, number: r.rounds, dir: filepath.Clean(dir), report: r,
			rnd: rand.New(rand.NewPCG(cfg.seed, uint64(r.rounds))),
		}
		err := one.play(ctx, min(left, cfg.round))
		if ctx.Err() != nil {
			fmt.Fprintf(out, "INTERRUPTED: round %d is not judged\n", r.rounds)
			break
		}
		if err != nil {
			return nil, fmt.Errorf("round %d of seed %d: %w", r.rounds, cfg.seed, err)
		}
		r.rounds++
		if len(cfg.expect) > 0 && r.verdict(cfg.expect) == nil {
			break
		}
	}
	return r, nil
}

func (r *report) struck(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[kind]++
}

// leftOut says which invariants are not promised in this run, and why.
func (c *config) leftOut() (names []string, why string) {
	kinds, err := chooseFaults(c.faults)
	switch {
	case err == nil && slices.ContainsFunc(kinds, func(k faultKind) bool { return k.group == groupHostile }):
		return invariantNames[1:], "replies are made wrong, so an acknowledgement may be false"
	case c.nodes == 1 && c.propagation > 0:
		return []string{registerName}, "a node that is joining is missed at without being asked"
	case c.propagation == 0 && isEverywhere(c.topology):
		return []string{"I5"}, "clients that are told that nodes never change do not look whether they have left replicas different"
	}
	return nil, ""
}

// add adds a round, but for the violations of what is not promised.
func (r *report) add(h *history.History, violations []history.Violation, leftOut []string) {
	for i := range h.Ops {
		r.outcomes[h.Ops[i].Command.String()+" "+h.Ops[i].Outcome.String()]++
	}
	r.seen.add(h)
	for i := range violations {
		if v := &violations[i]; !slices.Contains(leftOut, v.Invariant) {
			r.find(v, h.Events)
		}
	}
}

// finding is all violations of one invariant. It keeps the text of one and no records: those would keep whole histories.
type finding struct {
	count int
	lines int          // of evidence
	span  history.Time // of the evidence
	text  string
}

// find counts v, which happened among events, and keeps it if it is said in fewer lines than the one before, or happened in a shorter time.
func (r *report) find(v *history.Violation, events []history.Event) {
	f := r.violations[v.Invariant]
	if f == nil {
		f = &finding{lines: math.MaxInt}
		r.violations[v.Invariant] = f
	}
	f.count++
	lines, span := len(v.Evidence), v.Span()
	if lines < f.lines || lines == f.lines && span < f.span {
		f.lines, f.span, f.text = lines, span, v.String()+meanwhile(v, events)
	}
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\noperations (%d rounds, %d evictions)\n", r.rounds, r.evictions)
	printCounts(out, r.outcomes)
	fmt.Fprintln(out, "\nof which")
	r.seen.print(out)
	fmt.Fprintln(out, "\nfaults")
	printCounts(out, r.faults)
	if r.undecided > 0 {
		fmt.Fprintf(out, "\nUNDECIDED: the histories of %d keys took too long to check as registers\n", r.undecided)
	}
	fmt.Fprintln(out, "\nviolations")
	for _, name := range invariantNames {
		count := 0
		if f := r.violations[name]; f != nil {
			count = f.count
		}
		fmt.Fprintf(out, "%8d  %s\n", count, name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.violations)) {
		fmt.Fprintf(out, "\n%s\n", r.violations[name].text)
	}
}

// invariantNames are those that are checked; "register" is the single node's.
var invariantNames = []string{"I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", registerName}

func printCounts(out io.Writer, counts map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "%8d  %s\n", counts[name], name)
	}
}

// verdict is an error if what was expected is not violated, or if something else is. Where violations are expected, those
// of coherence may come together: one cause has several effects.
func (r *report) verdict(expect []string) error {
	got := slices.Sorted(maps.Keys(r.violations))
	for _, name := range expect {
		if !slices.Contains(got, name) {
			return fmt.Errorf("seed %d: no violation of %s, which was expected", r.seed, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(expect, name) && (len(expect) == 0 || !isCoherence(name)) {
			return fmt.Errorf("seed %d: violations of %s", r.seed, strings.Join(got, ", "))
		}
	}
	return nil
}

// isCoherence reports whether an invariant is about old values, not about wrong ones.
func isCoherence(name string) bool {
	return slices.Contains([]string{"I2", "I3", "I4", "I5", "I6", "I7"}, name)
}
