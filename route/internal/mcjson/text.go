package mcjson

import (
	"errors"
	"strings"
)

// expandString expands a string: a call if it begins with @, else text with parameters.
func (e *expander) expandString(v *Value, s *scope) (*Value, error) {
	if !strings.HasPrefix(v.Str, "@") {
		return e.substitute(v, s)
	}
	call, err := parseCall(v, s)
	if err != nil {
		return nil, err
	}
	name, err := e.substitute(text(call.name, v.Pos), s)
	if err != nil {
		return nil, err
	}
	if name.Kind != String {
		return nil, s.errorAt(v.Pos, "the name of a macro is %s, want string", name.Kind)
	}
	m := e.macros[name.Str]
	if m == nil {
		return nil, s.errorAt(v.Pos, "there is no macro %q", shorten(name.Str))
	}
	return e.callString(m, v, call.args, s)
}

// substitute replaces the parameters in v, and takes the backslashes off what they escape.
func (e *expander) substitute(v *Value, s *scope) (*Value, error) {
	if !strings.ContainsAny(v.Str, `%\`) {
		return literal(v, s), nil
	}
	var parts []string
	length := 0
	for rest := v.Str; rest != ""; {
		before, param, after, found, err := cutParam(rest)
		if err != nil {
			return nil, s.errorAt(v.Pos, "%s in %q", err, shorten(v.Str))
		}
		parts = append(parts, before)
		length += len(before)
		if !found {
			break
		}
		value, err := e.lookup(param, v, s)
		if err != nil {
			return nil, err
		}
		if length == 0 && after == "" {
			return value, nil
		}
		if value.Kind != String {
			return nil, s.errorAt(v.Pos, "%%%s%% is %s, want string, as it is a part of %q", param, value.Kind, shorten(v.Str))
		}
		if err := e.spend(int64(len(value.Str)), v, s); err != nil {
			return nil, err
		}
		parts = append(parts, value.Str)
		length += len(value.Str)
		rest = after
	}
	if length > maxSize {
		return nil, limitError(v.Pos, s.frame, "a string gets larger than %d MiB", maxSize>>20)
	}
	result := text(strings.Join(parts, ""), v.Pos)
	result.frame = s.frame
	return result, result.check()
}

// cutParam cuts text around its first %param%. Without one, before is all of it, unescaped.
func cutParam(text string) (before, param, after string, found bool, err error) {
	before, rest, found, err := cutUnescaped(text, '%')
	if !found || err != nil {
		return before, "", "", false, err
	}
	param, after, found, err = cutUnescaped(rest, '%')
	if err == nil && !found {
		err = errors.New("a % without a second one")
	}
	return before, param, after, found, err
}

// cutUnescaped cuts text at the first c that no backslash precedes, and takes the backslashes off the part before.
func cutUnescaped(text string, c byte) (before, after string, found bool, err error) {
	if i := indexUnescaped(text, c); i >= 0 {
		text, after, found = text[:i], text[i+1:], true
	}
	before, err = unescape(text)
	return before, after, found, err
}

// unescape replaces each backslash and the byte after it by that byte.
func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			if i++; i == len(text) {
				return "", errors.New("a backslash that escapes nothing")
			}
		}
		plain.WriteByte(text[i])
	}
	return plain.String(), nil
}

// stringCall is a call in its short form, @name(arg,arg). Nothing in it is unescaped yet.
type stringCall struct {
	name string
	args []string
}

func parseCall(v *Value, s *scope) (stringCall, error) {
	body := v.Str[len("@"):]
	open := indexUnescaped(body, '(')
	if open < 0 {
		return stringCall{name: body}, nil
	}
	if !strings.HasSuffix(body, ")") || open == len(body)-1 {
		return stringCall{}, s.errorAt(v.Pos, "the call %q does not end with its closing bracket", shorten(v.Str))
	}
	args, ok := splitArgs(body[open+1 : len(body)-1])
	if !ok {
		return stringCall{}, s.errorAt(v.Pos, "the brackets of the call %q do not match", shorten(v.Str))
	}
	return stringCall{name: body[:open], args: args}, nil
}

// splitArgs splits arguments at the commas that are in no inner brackets; ok is false if an inner bracket does not close.
// Empty text is one empty argument.
func splitArgs(rest string) (args []string, ok bool) {
	for {
		comma := indexUnescaped(rest, ',')
		if comma < 0 {
			return append(args, trimSpace(rest)), true
		}
		if open := indexUnescaped(rest[:comma], '('); open >= 0 {
			closing := closingBracket(rest, open)
			if closing < 0 {
				return nil, false
			}
			comma = strings.IndexByte(rest[closing:], ',')
			if comma < 0 {
				return append(args, trimSpace(rest)), true
			}
			comma += closing
		}
		args = append(args, trimSpace(rest[:comma]))
		rest = rest[comma+1:]
	}
}

// indexUnescaped returns the position of the first c that no backslash precedes, -1 if there is none.
func indexUnescaped(text string, c byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case c:
			return i
		}
	}
	return -1
}

// closingBracket returns the position of the bracket that closes the one at open, -1 if there is none.
func closingBracket(text string, open int) int {
	level := 0
	for i := open; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '(':
			level++
		case ')':
			if level--; level == 0 {
				return i
			}
		}
	}
	return -1
}

const space = " \t\n\v\f\r"

// trimSpace takes white space off both ends, but not an escaped character off the right one.
func trimSpace(text string) string {
	text = strings.TrimLeft(text, space)
	for text != "" && strings.IndexByte(space, text[len(text)-1]) >= 0 {
		before := text[:len(text)-1]
		slashes := len(before) - len(strings.TrimRight(before, `\`))
		if slashes%2 == 1 {
			break
		}
		text = before
	}
	return text
}
