package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// screen draws the story in 80 columns: plain text, and colours where a person looks at a terminal.
type screen struct {
	out     io.Writer
	colours bool
	acts    int // begun so far
}

// newScreen returns a screen on f, in colours if f is a terminal and the user has not declined (https://no-color.org).
func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	isTerminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{out: f, colours: isTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// colour is the number of an ANSI "select graphic rendition" sequence.
type colour int

const (
	bold  colour = 1
	red   colour = 31
	green colour = 32
)

// nodeColours tell the nodes apart: cyan, magenta, yellow.
var nodeColours = [...]colour{36, 35, 33}

func (s *screen) paint(c colour, text string) string {
	if !s.colours || text == "" {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, text)
}

// act begins the next act.
func (s *screen) act(title string) {
	s.acts++
	fmt.Fprintf(s.out, "\n%s\n\n", s.paint(bold, fmt.Sprintf("%d. %s", s.acts, title)))
}

func (s *screen) text(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(s.out, strings.TrimRight("   "+line, " "))
	}
}

// event is something that is done to the nodes now.
func (s *screen) event(format string, args ...any) {
	fmt.Fprintln(s.out, s.paint(red, "   >> "+fmt.Sprintf(format, args...)))
}

// holds tells a claim that the caller has just checked.
func (s *screen) holds(format string, args ...any) {
	fmt.Fprintln(s.out, s.paint(green, "   ok ")+fmt.Sprintf(format, args...))
}

const (
	wideBar   = 40
	narrowBar = 12
)

// bars draws one line for each node, as a share of all.
func (s *screen) bars(counts []int) {
	total := max(1, sum(counts))
	fmt.Fprintln(s.out)
	for i, n := range counts {
		fmt.Fprintf(s.out, "   %s  %s %6d  %3d %%\n", nodeName(i), s.bar(i, n, total, wideBar), n, 100*n/total)
	}
	fmt.Fprintln(s.out)
}

// columns is the head of rows: one column for each of n nodes, and one more.
func (s *screen) columns(n int, last string) {
	line := "\n   time  "
	for i := range n {
		line += pad(" "+nodeName(i), narrowBar+7)
	}
	fmt.Fprintln(s.out, line+last)
}

// row draws one moment: a bar for each node, full at scale, and what the last column says.
func (s *screen) row(seconds float64, counts []int, scale int, last string) {
	line := fmt.Sprintf("  %5.2f s ", seconds)
	for i, n := range counts {
		line += fmt.Sprintf("%s %4d  ", s.bar(i, n, scale, narrowBar), n)
	}
	fmt.Fprintln(s.out, line+last)
}

// bar is as long as n is a part of full; anything above nothing shows.
func (s *screen) bar(node, n, full, width int) string {
	length := min(width, (n*width+full/2)/full)
	if n > 0 {
		length = max(1, length)
	}
	space := strings.Repeat(" ", width-length)
	return s.paint(nodeColours[node%len(nodeColours)], strings.Repeat("█", length)) + space
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
