package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable is s with everything escaped that a terminal would obey or not show: a key may contain any byte but a space.
func printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !unicode.IsPrint(r) || unicode.Is(unicode.M, r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// wide are the runes that take two columns, roughly: Unicode's East Asian Width, classes W and F.
var wide = [][2]rune{
	{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60},
	{0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
}

func runeWidth(r rune) int {
	for _, w := range wide {
		if r >= w[0] && r <= w[1] {
			return 2
		}
	}
	return 1
}

// width is the number of columns that s takes, all of whose runes are printable.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// fit cuts s to n columns, with an ellipsis where it was cut, and fills it up with spaces on the right.
func fit(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if w := width(s); w <= n {
		return s + strings.Repeat(" ", n-w)
	}
	var b strings.Builder
	room := n - 1
	for _, r := range s {
		if room -= runeWidth(r); room < 0 {
			room += runeWidth(r)
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…" + strings.Repeat(" ", room)
}

// right is fit, with the spaces on the left.
func right(s string, n int) string {
	s = strings.TrimRight(fit(s, n), " ")
	return strings.Repeat(" ", max(0, n-width(s))) + s
}

// amount is a rate in at most five columns: 9.53, 95.3, 953, 9.53k.
func amount(v float64) string {
	if !(v >= 0 && v < 1e18) {
		return "?"
	}
	const units = " kMGTP"
	unit := 0
	for v >= 999.5 && unit < len(units)-1 {
		v /= 1000
		unit++
	}
	digits := 2
	switch {
	case v >= 99.95:
		digits = 0
	case v >= 9.995:
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + strings.TrimSpace(units[unit:unit+1])
}

// percent is a part of one, in at most six columns. Only what is all of it is 100.0%.
func percent(v float64) string {
	if !(v >= 0) {
		return "?"
	}
	if v < 1 {
		v = min(v, 0.999)
	}
	return strconv.FormatFloat(min(v, 1)*100, 'f', 1, 64) + "%"
}

// ratio is percent of what may be unknown.
func ratio(v *float64) string {
	if v == nil {
		return "-"
	}
	return percent(*v)
}
