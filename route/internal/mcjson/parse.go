package mcjson

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxFileBytes is the size of the largest file that Parse reads: 16 MiB.
const MaxFileBytes = 16 << 20

// Parse reads one value from data. file is its name in places and errors. The error is an *Error.
func Parse(data []byte, file string) (*Value, error) {
	p := &parser{data: data, file: file, line: 1}
	if len(data) > MaxFileBytes {
		return nil, limitError(p.pos(), nil, "the file has %d bytes, more than %d MiB", len(data), MaxFileBytes>>20)
	}
	if err := p.checkUTF8(); err != nil {
		return nil, err
	}
	p.skipSpace()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	p.skipSpace()
	if p.at < len(p.data) {
		return nil, p.unexpected("nothing after the end of the configuration")
	}
	return v, nil
}

// parser reads data from at on.
type parser struct {
	data  []byte
	file  string
	at    int
	line  int
	start int // of the line
	depth int
	size  int64 // of the values read so far

	unclosed Pos // of a comment that runs to the end of the file
}

func (p *parser) pos() Pos { return Pos{File: p.file, Line: p.line, Column: p.at - p.start + 1} }

func (p *parser) checkUTF8() error {
	if utf8.Valid(p.data) {
		return nil
	}
	for p.at < len(p.data) {
		r, n := utf8.DecodeRune(p.data[p.at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		p.advance(n)
	}
	return p.errorf("byte 0x%02x is not UTF-8", p.data[p.at])
}

// peek returns the next byte, 0 at the end; NUL is no part of JSON.
func (p *parser) peek() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

// advance passes over n bytes and counts lines.
func (p *parser) advance(n int) {
	for end := p.at + n; p.at < end; {
		p.at++
		if p.data[p.at-1] == '\n' {
			p.line++
			p.start = p.at
		}
	}
}

// skipSpace passes over white space and comments.
func (p *parser) skipSpace() {
	for p.at < len(p.data) {
		rest := p.data[p.at:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n' || rest[0] == '\r':
			p.advance(1)
		case bytes.HasPrefix(rest, []byte("//")):
			p.skipTo("\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			opened := p.pos()
			p.advance(len("/*"))
			if !p.skipTo("*/") {
				p.unclosed = opened
			}
		default:
			return
		}
	}
}

// skipTo passes over the next mark; if there is none it goes to the end and returns false.
func (p *parser) skipTo(mark string) bool {
	i := bytes.Index(p.data[p.at:], []byte(mark))
	if i < 0 {
		p.advance(len(p.data) - p.at)
		return false
	}
	p.advance(i + len(mark))
	return true
}

// value reads one value; white space before it is passed already.
func (p *parser) value() (*Value, error) {
	v := &Value{Pos: p.pos()}
	if p.depth++; p.depth > maxDepth {
		return nil, limitError(v.Pos, nil, "values are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	var err error
	switch c := p.peek(); {
	case c == '{':
		err = p.object(v)
	case c == '[':
		err = p.array(v)
	case c == '"':
		v.Kind = String
		v.Str, err = p.text()
	case c == '-' || isDigit(c):
		err = p.number(v)
	case isLetter(c):
		err = p.word(v)
	default:
		err = p.unexpected("a value")
	}
	if err != nil {
		return nil, err
	}
	return v.seal(), p.account(v)
}

// account bounds the memory that the values take together, before the outermost of them is complete.
func (p *parser) account(v *Value) error {
	p.size += valueSize + int64(len(v.Str))
	if p.size > maxSize {
		return limitError(v.Pos, nil, "the file has more than %d MiB of values", maxSize>>20)
	}
	return nil
}

// array reads brackets and the elements in them.
func (p *parser) array(v *Value) error {
	v.Kind = Array
	p.advance(1)
	for {
		p.skipSpace()
		if p.peek() == ']' {
			p.advance(1)
			return nil
		}
		item, err := p.value()
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
		if err := p.separator(']'); err != nil {
			return err
		}
	}
}

// object reads braces and the members in them.
func (p *parser) object(v *Value) error {
	v.Kind = Object
	p.advance(1)
	var found members
	for {
		p.skipSpace()
		if p.peek() == '}' {
			p.advance(1)
			v.Members, v.index = found.list, found.index
			return nil
		}
		member, err := p.member()
		if err != nil {
			return err
		}
		if i := found.find(member.Name); i >= 0 {
			first := found.list[i].Pos
			return p.errorAt(member.Pos, "key %q is given twice; the first is at line %d, column %d", member.Name, first.Line, first.Column)
		}
		found.add(member)
		if err := p.separator('}'); err != nil {
			return err
		}
	}
}

func (p *parser) member() (Member, error) {
	m := Member{Pos: p.pos()}
	if p.peek() != '"' {
		return m, p.unexpected("a key in double quotes, or }")
	}
	var err error
	if m.Name, err = p.text(); err != nil {
		return m, err
	}
	p.size += int64(len(m.Name))
	p.skipSpace()
	if p.peek() != ':' {
		return m, p.unexpected("a colon after the key")
	}
	p.advance(1)
	p.skipSpace()
	m.Value, err = p.value()
	return m, err
}

// separator passes over a comma; without one the closing byte must follow.
func (p *parser) separator(closing byte) error {
	p.skipSpace()
	switch p.peek() {
	case ',':
		p.advance(1)
		return nil
	case closing:
		return nil
	}
	return p.unexpected(fmt.Sprintf("a comma or %c", closing))
}

// word reads true, false or null.
func (p *parser) word(v *Value) error {
	end := p.at
	for end < len(p.data) && (isLetter(p.data[end]) || isDigit(p.data[end])) {
		end++
	}
	switch word := string(p.data[p.at:end]); word {
	case "true", "false":
		v.Kind, v.Bool = Bool, word == "true"
	case "null":
		v.Kind = Null
	default:
		return p.errorf("%q is no value of JSON", shorten(word))
	}
	p.advance(end - p.at)
	return nil
}

func (p *parser) unexpected(want string) error {
	if p.at < len(p.data) {
		r, _ := utf8.DecodeRune(p.data[p.at:])
		return p.errorf("unexpected %q, want %s", r, want)
	}
	if p.unclosed.Line > 0 {
		return p.errorf("unexpected end of the file, want %s; the comment that begins at line %d, column %d is not closed",
			want, p.unclosed.Line, p.unclosed.Column)
	}
	return p.errorf("unexpected end of the file, want %s", want)
}

func (p *parser) errorf(format string, args ...any) error {
	return p.errorAt(p.pos(), format, args...)
}

func (p *parser) errorAt(pos Pos, format string, args ...any) error {
	return &Error{Pos: pos, Reason: fmt.Sprintf(format, args...), Err: ErrSyntax}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// shorten cuts text for an error after 40 bytes or so.
func shorten(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}
