package rulestore

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
)

// held is what a node holds under rulesKey; the zero value is nothing.
type held struct {
	version version
	data    []byte
	table   *hotkey.Table // nil if data is no valid table
	err     error         // why not
}

// version tells two values of a key apart. A CAS alone does not: it starts anew with the server. So the client flags hold
// a checksum of the value.
type version struct {
	cas   uint64
	flags uint32
	size  int64
}

func checksum(data []byte) uint32 { return crc32.ChecksumIEEE(data) }

func (h held) header() hotkey.Header { return h.table.Header() }

// newer orders tables: by their headers, and if these are equal by their contents.
func (h held) newer(o held) bool {
	switch {
	case h.header().Newer(o.header()):
		return true
	case o.header().Newer(h.header()):
		return false
	}
	return bytes.Compare(h.data, o.data) > 0
}

// refresh returns what n holds now, given what it held before. It reads the table only if its version has changed, or if the
// server cannot tell: it has no meta commands or no CAS. A node that
// does not answer is taken to hold what it held; one that holds no valid table holds none.
func refresh(ctx context.Context, n Node, before held) (held, error) {
	const want = protocol.ReturnCAS | protocol.ReturnFlags | protocol.ReturnSize
	op, err := ask(ctx, n, protocol.Request{Command: protocol.Get, Key: rulesKey, Meta: want})
	switch {
	case errors.Is(err, protocol.ErrUnsupported):
	case err != nil:
		return before, &NodeError{n.Name(), err}
	case op.Reply.Status != protocol.OK:
		return held{}, nil
	case op.Reply.CAS != 0 && before.version == (version{op.Reply.CAS, op.Reply.Flags, op.Reply.Size}):
		return before, before.err
	}
	now, err := read(ctx, n)
	if err != nil && !errors.Is(err, hotkey.ErrBadTable) {
		return before, err
	}
	if before.table != nil && bytes.Equal(now.data, before.data) {
		now.table = before.table
	}
	return now, err
}

// read returns what n holds. The error is a *NodeError, around a *hotkey.TableError if that is no valid table.
func read(ctx context.Context, n Node) (held, error) {
	const want = protocol.ReturnValue | protocol.ReturnCAS | protocol.ReturnFlags
	op, err := ask(ctx, n, protocol.Request{Command: protocol.Get, Key: rulesKey, Meta: want})
	if err != nil {
		return held{}, &NodeError{n.Name(), err}
	}
	if op.Reply.Status != protocol.OK {
		return held{}, nil
	}
	h := held{version: version{op.Reply.CAS, op.Reply.Flags, int64(len(op.Value))}, data: op.Value}
	if h.table, err = hotkey.ParseTable(op.Value); err != nil {
		h.err = &NodeError{n.Name(), err}
	}
	return h, h.err
}

// replace puts data in the place of h, and reports whether h had still been there.
func (h held) replace(ctx context.Context, n Node, data []byte) (bool, error) {
	r := protocol.Request{Command: protocol.Add, Key: rulesKey, Value: data, Flags: checksum(data)}
	if h.data != nil {
		if h.version.cas == 0 {
			return false, &NodeError{n.Name(), ErrNoCAS}
		}
		r.Command, r.Meta, r.CAS = protocol.Set, protocol.Compare, h.version.cas
	}
	op, err := ask(ctx, n, r)
	if err != nil {
		return false, &NodeError{n.Name(), err}
	}
	return op.Reply.Status == protocol.OK, nil
}
