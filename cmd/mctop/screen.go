package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
	"golang.org/x/term"
)

// Control sequences (ECMA-48, and xterm's for the alternate screen).
const (
	enter     = "\x1b[?1049h\x1b[?25l" // alternate screen, no cursor
	leave     = "\x1b[?25h\x1b[?1049l"
	toTop     = "\x1b[H"
	lineEnd   = "\x1b[K" // clears the rest of the line
	restClear = "\x1b[J"
	bold      = "\x1b[1m"
	reverse   = "\x1b[7m"
	normal    = "\x1b[0m"
)

// screen is a terminal in raw mode.
type screen struct {
	in, out *os.File
	before  *term.State
}

func openScreen(in, out *os.File) (*screen, error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	s := &screen{in, out, before}
	if _, err := io.WriteString(out, enter); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *screen) close() {
	io.WriteString(s.out, leave)
	term.Restore(int(s.in.Fd()), s.before)
}

// size is that of the terminal, or the usual one if it does not tell.
func (s *screen) size() (wide, high int) {
	wide, high, err := term.GetSize(int(s.out.Fd()))
	if err != nil || wide <= 0 || high <= 0 {
		return 80, 24
	}
	return wide, high
}

// draw shows the view, and returns how many rows there is room for.
func (s *screen) draw(v *view) (page int, err error) {
	wide, high := s.size()
	f := v.render(time.Now(), wide, high)
	var b strings.Builder
	b.WriteString(toTop)
	for i, line := range f.lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		switch {
		case i == f.title:
			line = reverse + fit(line, wide) + normal
		case i > f.title && strings.HasPrefix(line, "*"):
			line = bold + line + normal
		}
		b.WriteString(line + lineEnd)
	}
	b.WriteString(restClear)
	_, err = io.WriteString(s.out, b.String())
	return f.page, err
}

// interact shows v until a key ends it, or ctx.
func interact(ctx context.Context, all *sources, v *view, in, out *os.File) error {
	s, err := openScreen(in, out)
	if err != nil {
		return err
	}
	defer s.close()
	reports := make(chan hotkey.Report)
	go poll(ctx, all, v.interval, reports)
	typed := make(chan []byte)
	go readKeys(ctx, in, typed)
	resized := make(chan os.Signal, 1)
	notifyResize(resized)
	defer signal.Stop(resized)

	for {
		page, err := s.draw(v)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case r := <-reports:
			v.update(r)
		case input, ok := <-typed:
			if !ok {
				return nil
			}
			for _, key := range pressed(input) {
				if !v.press(key, page) {
					return nil
				}
			}
		case <-resized:
		}
	}
}

// poll sends a report at each interval.
func poll(ctx context.Context, all *sources, interval time.Duration, to chan<- hotkey.Report) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case to <- all.report(ctx, maxLines):
		case <-ctx.Done():
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// readKeys sends what is typed, and closes to when the terminal is gone. A read cannot be called off, so it may outlive ctx
// until the next key; the program ends before.
func readKeys(ctx context.Context, in io.Reader, to chan<- []byte) {
	defer close(to)
	for {
		buffer := make([]byte, 64)
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		select {
		case to <- buffer[:n]:
		case <-ctx.Done():
			return
		}
	}
}
