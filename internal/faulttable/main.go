package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// config is the command line, and the lengths of what is done.
type config struct {
	seed   uint64
	cycles int // joins and leaves
	only   []string

	kills     int
	hangs     int
	comebacks int           // of each kind
	healthy   time.Duration // before something is done to a node
	hang      time.Duration // how long it is stopped
	absence   time.Duration // how long it is away where it shall come back
	after     time.Duration // how long it is watched then
	spread    time.Duration // how far apart processes learn of a change
	stay      time.Duration // from one change to the next
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, cfg, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faulttable:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (config, error) {
	c := config{
		kills: 5, hangs: 3, comebacks: 3, healthy: 2 * time.Second, hang: 10 * time.Second, absence: time.Second, after: 1500 * time.Millisecond,
		spread: 3 * time.Second, stay: 13 * time.Second,
	}
	f := flag.NewFlagSet("faulttable", flag.ContinueOnError)
	f.Uint64Var(&c.seed, "seed", 1, "decides what the joins and leaves leave to chance")
	f.IntVar(&c.cycles, "cycles", 10, "joins and leaves")
	only := f.String("only", strings.Join(names(), ","), "what to measure")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	c.only = strings.Split(*only, ",")
	for _, name := range c.only {
		if !slices.Contains(names(), name) {
			return c, fmt.Errorf("there is nothing called %q to measure", name)
		}
	}
	if c.cycles < 1 {
		return c, errors.New("-cycles must be above zero")
	}
	return c, nil
}

// measurement is what makes some rows of the table.
type measurement struct {
	name string
	rows func(context.Context, config) ([]row, error)
}

func measurements() []measurement {
	return []measurement{
		{"kill", one(killed)},
		{"hang", one(paused)},
		{"write", one(written)},
		{"back", one(cameBack)},
		{"dial", one(dialed)},
		{"idle", one(staled)},
		{"change", changed},
	}
}

func one(measure func(config) (row, error)) func(context.Context, config) ([]row, error) {
	return func(_ context.Context, c config) ([]row, error) {
		r, err := measure(c)
		return []row{r}, err
	}
}

func names() (list []string) {
	for _, m := range measurements() {
		list = append(list, m.name)
	}
	return list
}

// errMissed is the verdict on a table with a goal that was not met.
var errMissed = errors.New("a goal was missed")

// run prints the table, each row as soon as it is measured.
func run(ctx context.Context, cfg config, out io.Writer) error {
	printHead(out)
	var verdict error
	for _, m := range measurements() {
		if !slices.Contains(cfg.only, m.name) {
			continue
		}
		rows, err := m.rows(ctx, cfg)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range rows {
			r.print(out)
			if !r.met {
				verdict = errMissed
			}
		}
	}
	return verdict
}
