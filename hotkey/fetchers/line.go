package fetchers

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strconv"
)

// maxKey is the longest key of memcached, in bytes.
const maxKey = 250

// kind is what a line of the log is about.
type kind uint8

const (
	other     kind = iota // nothing that matters here
	look                  // an item was looked for: type=item_get
	store                 // an item was stored, or not: type=item_store
	connected             // type=conn_new
	closed                // type=conn_close
	skipped               // the watcher fell behind, and lines were left out
)

// line is a line of the log. Its key is valid until the next parse.
type line struct {
	kind    kind
	key     []byte
	found   bool // of a look
	size    int  // of the value
	cfd     int  // the connection's number at the node
	client  netip.AddrPort
	skipped uint64
	scratch [maxKey]byte
}

var errLine = errors.New("fetchers: not a line of memcached's log")

// fields that were seen.
type fields uint8

const (
	hasKey fields = 1 << iota
	hasStatus
	hasSize
	hasCFD
	hasSkipped
)

// needs is what a line of a kind must have.
var needs = map[kind]fields{
	look:      hasKey | hasStatus | hasCFD,
	store:     hasKey | hasCFD,
	connected: hasCFD,
	closed:    hasCFD,
	skipped:   hasSkipped,
}

// parse takes a line apart: "name=value" with spaces between, in any order; names that are not known are passed over.
func (l *line) parse(text []byte) error {
	l.kind, l.key, l.found, l.size, l.cfd, l.client, l.skipped = other, nil, false, 0, 0, netip.AddrPort{}, 0
	var seen fields
	var ip, port []byte
	for len(text) > 0 {
		var field []byte
		field, text, _ = bytes.Cut(text, []byte(" "))
		name, value, ok := bytes.Cut(field, []byte("="))
		if !ok {
			if len(field) == 0 {
				continue
			}
			return errLine
		}
		has, err := l.set(string(name), value)
		if err != nil {
			return err
		}
		seen |= has
		switch string(name) {
		case "rip":
			ip = value
		case "rport":
			port = value
		}
	}
	if seen&hasSkipped != 0 {
		l.kind = skipped
	}
	if need := needs[l.kind]; seen&need != need {
		return errLine
	}
	if l.kind == connected {
		l.client = clientOf(string(ip), string(port))
	}
	return nil
}

// clientOf is the zero value for what is no address: a unix socket has none.
func clientOf(ip, port string) netip.AddrPort {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}
	}
	p, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(addr, uint16(p))
}

// set takes one field.
func (l *line) set(name string, value []byte) (has fields, err error) {
	switch name {
	case "type":
		l.kind = kindOf(string(value))
	case "key":
		l.key, err = unescape(l.scratch[:0], value)
		has = hasKey
	case "status":
		l.found = string(value) == "found" // else not_found, flushed or expired: not there
		has = hasStatus
	case "size":
		l.size, err = number(value)
		has = hasSize
	case "cfd":
		l.cfd, err = number(value)
		has = hasCFD
	case "skipped":
		l.skipped, err = strconv.ParseUint(string(value), 10, 64)
		has = hasSkipped
	}
	return has, err
}

func kindOf(name string) kind {
	switch name {
	case "item_get":
		return look
	case "item_store":
		return store
	case "conn_new":
		return connected
	case "conn_close":
		return closed
	}
	return other
}

// number is not negative.
func number(value []byte) (int, error) {
	n, err := strconv.ParseUint(string(value), 10, 31)
	return int(n), err
}

// unescape appends key without its percent-encoding to dst; the result fits maxKey.
func unescape(dst, key []byte) ([]byte, error) {
	for len(key) > 0 {
		if len(dst) == maxKey {
			return nil, errLine
		}
		if key[0] != '%' {
			dst, key = append(dst, key[0]), key[1:]
			continue
		}
		if len(key) < 3 {
			return nil, errLine
		}
		var b [1]byte
		if _, err := hex.Decode(b[:], key[1:3]); err != nil {
			return nil, err
		}
		dst, key = append(dst, b[0]), key[3:]
	}
	if len(dst) == 0 {
		return nil, errLine
	}
	return dst, nil
}
