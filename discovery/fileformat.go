package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// parseFile returns the nodes of either format, or what is wrong and on which line.
func parseFile(contents []byte) (nodes []Node, line int, err error) {
	contents = bytes.TrimPrefix(contents, []byte("\ufeff"))
	if start := bytes.TrimSpace(contents); len(start) > 0 && strings.IndexByte("[{", start[0]) >= 0 && !isBracketedAddr(start) {
		return parseJSON(contents)
	}
	return parseLines(contents)
}

// isBracketedAddr tells "[::1]:11211", the first line of a plain list, from an array.
func isBracketedAddr(start []byte) bool {
	first, _, _ := bytes.Cut(start, []byte("\n"))
	fields := bytes.Fields(first)
	if len(fields) == 0 {
		return false
	}
	_, ok := canonical(string(fields[0]))
	return ok
}

func parseLines(contents []byte) ([]Node, int, error) {
	var nodes []Node
	number := 0
	for line := range strings.Lines(string(contents)) {
		number++
		fields := strings.Fields(withoutComment(line))
		if len(fields) == 0 {
			continue
		}
		node, err := parseLine(fields)
		if err != nil {
			return nil, number, err
		}
		nodes = append(nodes, node)
	}
	return nodes, 0, nil
}

// withoutComment ends line at a # that starts it or follows a space.
func withoutComment(line string) string {
	for i, r := range line {
		if r == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

func parseLine(fields []string) (Node, error) {
	node := Node{Addr: fields[0]}
	seen := map[string]bool{}
	for _, field := range fields[1:] {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" || seen[key] {
			return Node{}, fmt.Errorf("%s is not a name=, zone= or weight= with a value, given once", quote(field))
		}
		seen[key] = true
		if err := node.set(key, value); err != nil {
			return Node{}, err
		}
	}
	return node.validate()
}

func (n *Node) set(key, value string) (err error) {
	switch key {
	case "name":
		n.Name = value
	case "zone":
		n.Zone = value
	case "weight":
		n.Weight, err = strconv.ParseFloat(value, 64)
		if err != nil || n.Weight == 0 { // 0 would mean 1, which nobody who writes it expects
			return fmt.Errorf("%w: %s", ErrBadWeight, quote(value))
		}
	default:
		return fmt.Errorf("unknown setting %s", quote(key))
	}
	return nil
}

// jsonNode is a node in a JSON file: an object, or its address alone.
type jsonNode struct {
	Name   string            `json:"name"`
	Addr   string            `json:"addr"`
	Zone   string            `json:"zone"`
	Weight *float64          `json:"weight"`
	Meta   map[string]string `json:"meta"`
}

// parseJSON walks the array node by node, so that an error has a line: of the node, or where the JSON breaks off.
func parseJSON(contents []byte) ([]Node, int, error) {
	contents = bytes.TrimRight(contents, " \t\r\n")
	a := arrayReader{d: json.NewDecoder(bytes.NewReader(contents)), size: int64(len(contents))}
	nodes, err := a.read()
	if err != nil {
		return nil, lineAt(contents, a.offset(err)), err
	}
	return nodes, 0, nil
}

// arrayReader decodes an array of nodes.
type arrayReader struct {
	d     *json.Decoder
	start int64 // of the node that is wrong; 0 if none is
	size  int64
}

func (a *arrayReader) read() ([]Node, error) {
	start, err := a.token()
	if err != nil {
		return nil, err
	}
	if start != json.Delim('[') {
		return nil, errors.New("not an array of nodes")
	}
	var nodes []Node
	for a.d.More() {
		var raw json.RawMessage
		if err := a.d.Decode(&raw); err != nil {
			return nil, unexpectedEnd(err)
		}
		node, err := decodeNode(raw)
		if err != nil {
			a.start = a.d.InputOffset() - int64(len(raw))
			return nil, err
		}
		nodes = append(nodes, node)
	}
	if _, err := a.token(); err != nil { // the closing bracket
		return nil, err
	}
	if _, err := a.d.Token(); err != io.EOF {
		return nil, errors.New("something follows the array")
	}
	return nodes, nil
}

func (a *arrayReader) token() (json.Token, error) {
	token, err := a.d.Token()
	return token, unexpectedEnd(err)
}

// offset is where in the file err is.
func (a *arrayReader) offset(err error) int64 {
	switch {
	case a.start > 0:
		return a.start
	case err == io.ErrUnexpectedEOF:
		return a.size
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.Offset
	}
	return a.d.InputOffset()
}

func decodeNode(raw []byte) (Node, error) {
	var n jsonNode
	if err := n.decode(raw); err != nil {
		return Node{}, err
	}
	node := Node{Name: n.Name, Addr: n.Addr, Zone: n.Zone, Meta: n.Meta}
	if n.Weight != nil {
		if node.Weight = *n.Weight; node.Weight == 0 { // as in set
			return Node{}, &NodeError{n.Name, n.Addr, ErrBadWeight}
		}
	}
	return node.validate()
}

func (n *jsonNode) decode(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, &n.Addr)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(n)
}

func unexpectedEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func lineAt(contents []byte, offset int64) int {
	offset = max(0, min(offset, int64(len(contents))))
	return 1 + bytes.Count(contents[:offset], []byte("\n"))
}
