package mcjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string in double quotes.
func (p *parser) text() (string, error) {
	opened := p.pos()
	p.advance(1)
	var text []byte
	for p.at < len(p.data) {
		switch c := p.data[p.at]; c {
		case '"':
			p.advance(1)
			return string(text), nil
		case 0:
			return "", p.errorf("NUL in a string")
		case '\\':
			var err error
			if text, err = p.escape(text); err != nil {
				return "", err
			}
		default:
			text = append(text, c)
			p.advance(1)
		}
	}
	return "", p.errorAt(opened, "the string that begins here is not closed")
}

// escape reads a backslash and what it introduces, and appends what they mean.
func (p *parser) escape(text []byte) ([]byte, error) {
	if p.at+1 == len(p.data) {
		return nil, p.errorf("unexpected end of the file after a backslash")
	}
	c := p.data[p.at+1]
	if c == 'u' {
		r, err := p.escapedRune()
		return utf8.AppendRune(text, r), err
	}
	plain, ok := plainEscapes[c]
	if !ok {
		r, _ := utf8.DecodeRune(p.data[p.at+1:])
		return nil, p.errorf("unknown escape \\%c in a string", r)
	}
	p.advance(2)
	return append(text, plain), nil
}

var plainEscapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escapedRune reads \uXXXX, or two of them where they are a surrogate pair.
func (p *parser) escapedRune() (rune, error) {
	begin := p.pos()
	first, err := p.hexUnit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if p.at+1 < len(p.data) && p.data[p.at] == '\\' && p.data[p.at+1] == 'u' {
		second, err := p.hexUnit()
		if err != nil {
			return 0, err
		}
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, p.errorAt(begin, "\\u%04x is half of a surrogate pair without the other half", first)
}

// hexUnit reads \uXXXX.
func (p *parser) hexUnit() (rune, error) {
	const length = len(`\uXXXX`)
	if len(p.data)-p.at < length {
		return 0, p.errorf("\\u needs four hexadecimal digits")
	}
	unit, err := strconv.ParseUint(string(p.data[p.at+2:p.at+length]), 16, 16)
	if err != nil {
		return 0, p.errorf("\\u needs four hexadecimal digits")
	}
	p.advance(length)
	return rune(unit), nil
}

// number reads an Int or a Float.
func (p *parser) number(v *Value) error {
	text, isInt := p.numberText()
	if text == "" {
		return p.errorf("malformed number")
	}
	var err error
	if isInt {
		v.Kind = Int
		v.Int, err = strconv.ParseInt(text, 10, 64)
	} else {
		v.Kind = Float
		v.Float, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		return p.errorf("number %s is out of the range of 64 bits", shorten(text))
	}
	p.advance(len(text))
	return nil
}

// numberText returns the number that begins here, "" if there is none.
func (p *parser) numberText() (text string, isInt bool) {
	rest := p.data[p.at:]
	end := 0
	if rest[0] == '-' {
		end = 1
	}
	whole := digits(rest[end:])
	if whole == 0 || whole > 1 && rest[end] == '0' {
		return "", false
	}
	end += whole
	isInt = true
	if end < len(rest) && rest[end] == '.' {
		fraction := digits(rest[end+1:])
		if fraction == 0 {
			return "", false
		}
		isInt = false
		end += 1 + fraction
	}
	if end < len(rest) && (rest[end] == 'e' || rest[end] == 'E') {
		exponent := end + 1
		if exponent < len(rest) && (rest[exponent] == '+' || rest[exponent] == '-') {
			exponent++
		}
		n := digits(rest[exponent:])
		if n == 0 {
			return "", false
		}
		isInt = false
		end = exponent + n
	}
	return string(rest[:end]), isInt
}

// digits returns the number of digits that data begins with.
func digits(data []byte) int {
	n := 0
	for n < len(data) && isDigit(data[n]) {
		n++
	}
	return n
}
