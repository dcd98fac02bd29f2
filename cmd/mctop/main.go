package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// settings are what the command line says.
type settings struct {
	interval time.Duration
	lines    int
	count    int
	sort     string
	filter   string
	show     string
	plain    bool
	json     bool
	access   access
	sources  []string
}

// run is main with its surroundings as parameters; it returns the exit status.
func run(ctx context.Context, args []string, in, out *os.File, errs io.Writer) int {
	s, err := parse(args, errs)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = s.run(ctx, in, out)
	}
	if err != nil {
		fmt.Fprintln(errs, "mctop:", err)
		return 1
	}
	return 0
}

func parse(args []string, errs io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("mctop", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprintln(errs, "usage: mctop [flags] node:port ... | http://client/report ...\n\nShows hot and missed keys.")
		flags.PrintDefaults()
	}
	flags.DurationVar(&s.interval, "interval", time.Second, "time between two `reports`, 250ms or more")
	flags.IntVar(&s.lines, "n", 20, "keys in a report that is not shown in a terminal")
	flags.IntVar(&s.count, "count", 0, "end after so many reports, but in a terminal; 0 means never")
	flags.StringVar(&s.sort, "sort", "", "`column` to sort by: share, fleet, ops, bytes, hit, key; misses")
	flags.StringVar(&s.filter, "filter", "", "show only keys that contain `text`")
	flags.StringVar(&s.show, "show", "keys", "what is shown: keys, missed or families")
	flags.BoolVar(&s.plain, "plain", false, "tables one after another, even in a terminal")
	flags.BoolVar(&s.json, "json", false, "a report a line, as JSON")
	s.access.flags(flags)
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.sources = flags.Args()
	return s, s.check()
}

func (s settings) check() error {
	switch {
	case len(s.sources) == 0:
		return errors.New("which node? try: mctop 127.0.0.1:11211")
	case s.interval < 250*time.Millisecond:
		return fmt.Errorf("-interval is %s, less than 250ms", s.interval)
	case s.lines < 1 || s.lines > maxLines:
		return fmt.Errorf("-n is %d, not 1 to %d", s.lines, maxLines)
	case s.count < 0:
		return fmt.Errorf("-count is %d", s.count)
	}
	if err := s.access.check(); err != nil {
		return err
	}
	_, err := s.view()
	return err
}

// view is what is shown at first.
func (s settings) view() (*view, error) {
	v := newView(s.interval)
	if err := v.show(s.show); err != nil {
		return nil, err
	}
	v.filter = s.filter
	return v, v.sortBy(s.sort)
}

func (s settings) run(ctx context.Context, in, out *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	way, err := s.access.open()
	if err != nil {
		return err
	}
	all, err := open(ctx, s.sources, way)
	if err != nil {
		return err
	}
	defer all.wait()
	defer cancel()
	v, err := s.view()
	if err != nil {
		return err
	}
	switch {
	case s.json:
		return s.printJSON(ctx, all, out)
	case s.plain || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())):
		return s.print(ctx, all, v, out)
	}
	return interact(ctx, all, v, in, out)
}
