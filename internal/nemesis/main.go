package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
)

// config is the command line.
type config struct {
	duration, round time.Duration
	skew            time.Duration // how far apart processes learn of a view
	propagation     time.Duration // D, as the clients are told; undeclared: skew
	moving          time.Duration // how long keys move to a node that has joined
	repair          time.Duration // R: how long after a heal a node may hold what it missed
	seed            uint64
	nodes           int // 0: 3 to 5, as the seed says
	processes       int
	workers         int // of each process
	connections     int // of each process to each node; 0: 1 or 2, by the seed
	keys            int
	rate            int // operations per second of each process
	hurry           int // one of so many operations has little time
	lifeGap         time.Duration
	topology        string
	faults          []string // names of kinds, or groups of them
	expect          []string // invariants
	without         []string // mechanisms
	dir             string   // of the histories; "": a temporary one
}

// undeclared is the value of -propagation that stands for that of -skew.
const undeclared = -1

func main() {
	if clientConfig := os.Getenv(clientVariable); clientConfig != "" {
		signal.Ignore(os.Interrupt) // typed at a terminal it reaches all; the one that started this ends it
		exit(runClient(clientConfig, os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		exit(nil)
	}
	if err != nil {
		exit(err)
	}
	report, err := run(ctx, cfg, os.Stdout)
	if err == nil {
		report.print(os.Stdout)
		err = report.verdict(cfg.expect)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "nemesis:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parseFlags(args []string) (config, error) {
	var c config
	var faults, expect, without string
	f := flag.NewFlagSet("nemesis", flag.ContinueOnError)
	f.DurationVar(&c.duration, "duration", time.Minute, "how long traffic and faults last, all rounds together")
	f.DurationVar(&c.round, "round", 30*time.Second, "longest round")
	f.DurationVar(&c.skew, "skew", 800*time.Millisecond, "how far apart processes learn of joins and leaves")
	f.DurationVar(&c.propagation, "propagation", undeclared, "the bound D that clients are told; 0: they are told that nodes never change (default -skew; 0 for one node)")
	f.DurationVar(&c.moving, "warm-up", time.Minute, "how long keys move to a node that has joined (memcache.WithWarmUp)")
	f.DurationVar(&c.repair, "repair", 2*time.Second, "how long after a heal a node may hold what it missed (R)")
	f.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()), "decides faults and operations")
	f.IntVar(&c.nodes, "nodes", 0, "nodes; 0: 3 to 5, by the seed")
	f.IntVar(&c.processes, "processes", 3, "client processes")
	f.IntVar(&c.workers, "workers", 8, "goroutines of each process")
	f.IntVar(&c.connections, "connections", 0, "connections of each process to each node; 0: 1 or 2, by the seed")
	f.IntVar(&c.keys, "keys", 60, "keys")
	f.IntVar(&c.rate, "rate", 1000, "operations per second of each process")
	f.IntVar(&c.hurry, "hurry", 20, "one of so many operations has little time")
	f.DurationVar(&c.lifeGap, "life-gap", 8*time.Second, "longest time between two faults by which a node leaves or begins anew")
	f.StringVar(&c.topology, "topology", replicated, topologyNames())
	f.StringVar(&faults, "faults", "all", "kinds of faults, separated by commas: "+strings.Join(faultNames(), ", "))
	f.StringVar(&expect, "expect", "", "invariants that must be violated, as I3,I7, which ends the run; then other old values are no failure")
	f.StringVar(&without, "without", "", "mechanisms to do without, in a build with -tags "+mechanism.Tag+": "+strings.Join(mechanism.Names(), ", "))
	f.StringVar(&c.dir, "dir", "", "where to keep the histories")
	if err := f.Parse(args); err != nil {
		return c, err
	}
	c.faults, c.expect, c.without = split(faults), split(expect), split(without)
	if c.propagation == undeclared {
		c.propagation = c.skew
		if c.nodes == 1 {
			c.propagation = 0
		}
	}
	return c, c.validate()
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

func (c *config) validate() error {
	if c.duration <= 0 || c.round <= 0 || c.lifeGap <= 0 || c.moving <= 0 || c.skew < 0 || c.propagation < 0 || c.repair <= 0 {
		return errors.New("-duration, -round, -life-gap, -warm-up and -repair must be above zero, -skew and -propagation not below")
	}
	if c.connections < 0 || c.nodes < 0 || c.nodes > 20 || c.processes < 1 || c.workers < 1 || c.keys < 1 || c.rate < 1 || c.hurry < 1 {
		return errors.New("-processes, -workers, -keys, -rate and -hurry must be above zero, -nodes at most 20")
	}
	if _, err := topologyOptions(c.topology, ""); err != nil {
		return err
	}
	if err := mechanism.SwitchOff(c.without...); err != nil {
		return err
	}
	_, err := chooseFaults(c.faults)
	return err
}
