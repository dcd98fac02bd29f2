package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// config is the command line.
type config struct {
	free, oneCPU       bool
	list, markdown     bool
	workloads, clients string
	duration           time.Duration
	rounds             int
	longerCalls        time.Duration
}

func main() {
	cfg := parseFlags(os.Args[1:])
	if err := dispatch(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) config {
	var c config
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.BoolVar(&c.free, "free", false, "only without pinning, GOMAXPROCS=2")
	f.BoolVar(&c.oneCPU, "onecpu", false, "only with everything pinned to one CPU, GOMAXPROCS=1")
	f.BoolVar(&c.list, "list", false, "list the workloads and end")
	f.BoolVar(&c.markdown, "markdown", false, "print Markdown tables")
	f.StringVar(&c.workloads, "workloads", "*", "names or patterns of workloads, separated by commas")
	f.StringVar(&c.clients, "clients", "*", "names or patterns of clients, separated by commas")
	f.DurationVar(&c.duration, "duration", 400*time.Millisecond, "length of a slice")
	f.DurationVar(&c.longerCalls, "longer-calls", 0, "make each system call of clients and servers take so much longer, up to some 20µs")
	f.IntVar(&c.rounds, "rounds", 7, "slices of each client in each workload")
	_ = f.Parse(args) // ExitOnError
	return c
}

func dispatch(cfg config) error {
	if cfg.rounds < 1 || cfg.duration <= 0 || cfg.longerCalls < 0 {
		return errors.New("-rounds and -duration must be above zero, and -longer-calls not below")
	}
	chosen := chooseWorkloads(cfg.workloads)
	switch {
	case len(chosen) == 0:
		return fmt.Errorf("no workload is named %q; -list shows them", cfg.workloads)
	case cfg.list:
		return listWorkloads(os.Stdout, chosen)
	case cfg.free == cfg.oneCPU:
		return runBothModes()
	case cfg.oneCPU:
		if err := pinToOneCPU(); err != nil {
			return err
		}
		return runMode(cfg, modeOneCPU, chosen)
	default:
		runtime.GOMAXPROCS(2)
		return runMode(cfg, modeFree, chosen)
	}
}

func listWorkloads(out io.Writer, chosen []workload) error {
	for _, w := range chosen {
		if _, err := fmt.Fprintf(out, "%-20s %s\n", w.name, w.about); err != nil {
			return err
		}
	}
	return nil
}

// runBothModes runs this program once per mode, because a process cannot leave the CPU's pinning cleanly.
func runBothModes() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// An interrupt from the terminal reaches the child too, which cleans up and ends; this process waits for that.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	var failed error
	for _, flagOfMode := range []string{"-free", "-onecpu"} {
		// The flag comes last and must win over "-free=false" and the like.
		cmd := exec.Command(self, append(withoutModes(os.Args[1:]), flagOfMode)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		failed = errors.Join(failed, cmd.Run())
	}
	return failed
}

func withoutModes(args []string) []string {
	var rest []string
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || (name != "free" && name != "onecpu") {
			rest = append(rest, arg)
		}
	}
	return rest
}

// runMode runs the chosen workloads one after the other and prints each table as soon as it is known.
func runMode(cfg config, m mode, chosen []workload) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cost, err := costOfCalls(cfg.longerCalls)
	if err != nil {
		return err
	}
	s, err := startServers()
	if err != nil {
		return err
	}
	defer s.stop()

	report := newReport(os.Stdout, m, cfg.markdown)
	report.heading(cfg, cost)
	r := runner{servers: s, clients: cfg.clients, slice: cfg.duration, rounds: cfg.rounds}
	for _, w := range chosen {
		result, err := r.run(ctx, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		report.workload(result)
	}
	report.goals()
	return report.problem()
}

// matches tells whether a comma-separated list of patterns (path.Match) contains name.
func matches(list, name string) bool {
	for pattern := range strings.SplitSeq(list, ",") {
		if ok, _ := path.Match(strings.TrimSpace(pattern), name); ok {
			return true
		}
	}
	return false
}
