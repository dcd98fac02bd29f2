package main

import (
	"unicode"
	"unicode/utf8"
)

// escapes are what terminals send for keys that are no characters.
var escapes = map[string]string{
	"\x1b[A": "up", "\x1b[B": "down", "\x1bOA": "up", "\x1bOB": "down",
	"\x1b[5~": "page up", "\x1b[6~": "page down",
	"\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1bOH": "home", "\x1bOF": "end",
}

var controls = map[byte]string{
	3: "ctrl-c", 4: "q", 8: "backspace", '\t': "tab", '\n': "enter", '\r': "enter", 27: "esc", 127: "backspace",
}

// pressed takes what was read from a terminal apart into keys: names for some, the character itself for others. What one
// read returns is taken as whole: an escape at its end is the key of that name.
func pressed(input []byte) (names []string) {
	for len(input) > 0 {
		name, size := firstKey(input)
		if name != "" {
			names = append(names, name)
		}
		input = input[size:]
	}
	return names
}

func firstKey(input []byte) (name string, size int) {
	if input[0] == 27 && len(input) > 1 && (input[1] == '[' || input[1] == 'O') {
		size = escapeLength(input)
		return escapes[string(input[:size])], size
	}
	if name, ok := controls[input[0]]; ok {
		return name, 1
	}
	r, size := utf8.DecodeRune(input)
	if r == utf8.RuneError || !unicode.IsPrint(r) {
		return "", size
	}
	return string(input[:size]), size
}

// escapeLength is that of a control sequence, which ends with a byte from @ to ~ (ECMA-48, section 5.4).
func escapeLength(input []byte) int {
	if input[1] == 'O' {
		return min(3, len(input))
	}
	for i := 2; i < len(input); i++ {
		if input[i] >= '@' && input[i] <= '~' {
			return i + 1
		}
	}
	return len(input)
}

// isText reports whether a key is a character, not a name.
func isText(key string) bool { return utf8.RuneCountInString(key) == 1 }
