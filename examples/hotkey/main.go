// Hotkey answers: what does one hot key do to its node, and what does the client do about it? Five nodes inside this process
// serve an application that asks for one key every other time: first for a page, then for a video that is too large to keep,
// at last for something that nobody has stored. It checks what it tells, and exits with 0 only if all of it was so.
//
//	go run ./examples/hotkey
//
// traffic.go is the application, fleet.go the nodes and what they have sent.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
)

// limit ends a run that hangs; it takes about 3 s.
const limit = 30 * time.Second

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hotkey:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	nodes := startFleet(5)
	defer nodes.close()
	s := &show{out, nodes}

	s.say("1. Every other read asks for one page of 8 KiB. What the nodes send:")
	page := traffic{hot: "front-page", hotSize: 8 << 10, reads: 2000}
	if err := s.relieve(ctx, page, "keep"); err != nil {
		return err
	}
	s.say("   ok: the process keeps the page and asks its home, with each read, whether it is still the same")

	s.say("", "2. Every other read asks for a video of 300 KiB, more than a process keeps:")
	video := traffic{hot: "video", hotSize: 300 << 10, reads: 300}
	if err := s.relieve(ctx, video, "spread 5"); err != nil {
		return err
	}
	s.say("   ok: each node has a copy, and they share the work")

	s.say("", "3. A key is asked for that nobody has ever stored, and so are many of one family:")
	return s.missing(ctx)
}

// show is what the acts share.
type show struct {
	out   io.Writer
	nodes fleet
}

func (s *show) say(lines ...string) { fmt.Fprintln(s.out, strings.Join(lines, "\n")) }

// relieve shows what the nodes send for that traffic without remedies, and with the one that the client chooses.
func (s *show) relieve(ctx context.Context, t traffic, remedy string) error {
	before, err := s.without(ctx, t)
	if err != nil {
		return err
	}
	if 2*slices.Max(before) <= sum(before) {
		return fmt.Errorf("no node had to send more than half of all: %v", before)
	}
	s.say("", "   without remedies", bars(s.nodes, before, before))
	client, err := s.nodes.newClient(memcache.WithHotKeyPolicy(hotkey.Policy{})) // the default, and copies on other nodes too
	if err != nil {
		return err
	}
	defer client.Close()
	if err := s.find(ctx, client, t, remedy); err != nil {
		return err
	}
	after, err := s.even(ctx, client, t)
	if err != nil {
		return err
	}
	s.say(bars(s.nodes, after, before))
	return nil
}

func (s *show) without(ctx context.Context, t traffic) ([]int64, error) {
	client, err := s.nodes.newClient(memcache.WithoutRemedies())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := t.store(ctx, client); err != nil {
		return nil, err
	}
	return s.nodes.sentDuring(func() error { return t.read(ctx, client) })
}

// find reads until the client has found the hot key and does something about it.
func (s *show) find(ctx context.Context, client *memcache.Client, t traffic, want string) error {
	var hot hotkey.ReportKey
	for hot.Remedy == "" {
		if err := t.read(ctx, client); err != nil {
			return err
		}
		if keys := client.HotKeyReport(1).Keys; len(keys) > 0 {
			hot = keys[0]
		}
	}
	if hot.Key != t.hot || hot.Remedy != want {
		return fmt.Errorf("found was %q with the remedy %q", hot.Key, hot.Remedy)
	}
	home, _, _ := strings.Cut(hot.Home, ":")
	s.say(fmt.Sprintf("   the client has found %q, whose home is %s; remedy: %s", hot.Key, home, hot.Remedy))
	return nil
}

// even reads until no node has to send much more than the others. With copies that takes some seconds: what a node has sent
// lately counts, so at first the home is spared.
func (s *show) even(ctx context.Context, client *memcache.Client, t traffic) (sent []int64, err error) {
	for {
		last := sent
		sent, err = s.nodes.sentDuring(func() error { return t.read(ctx, client) })
		if err != nil {
			return nil, fmt.Errorf("the nodes sent %v: %w", last, err)
		}
		if 5*slices.Max(sent)*int64(len(sent)) <= 6*sum(sent) {
			return sent, nil
		}
	}
}

// missing reads keys that are not there until the client says so.
func (s *show) missing(ctx context.Context) error {
	client, err := s.nodes.newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	var keys, families []hotkey.MissedKey
	for len(keys) == 0 || len(families) == 0 {
		if err := readInVain(ctx, client); err != nil {
			return err
		}
		keys, families = client.MissedKeys(1), client.MissedTemplates(1)
	}
	key, family := keys[0].Name, families[0].Template
	if key != mistyped || family != "avatar:#" {
		return fmt.Errorf("missed were %q and %q", key, family)
	}
	s.say("", fmt.Sprintf("   MissedKeys:      %s", key), fmt.Sprintf("   MissedTemplates: %s", family))
	return nil
}
