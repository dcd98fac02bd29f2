package history

import (
	"encoding/binary"
	"errors"
	"time"
)

// A record is its length and that many bytes: a kind, then the fields in order, numbers as varints and strings with their
// length before them (encoding/binary). Fields that are added later go to the end.
const (
	recordBegin byte = iota + 1
	recordEnd
	recordEvent
	recordDump
)

// maxRecord bounds what a damaged length can make the reader allocate, in bytes.
const maxRecord = 1 << 16

// maxListed bounds the nodes of one record.
const maxListed = 1 << 10

var errRecord = errors.New("record is damaged")

func frame(record []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(record))), record...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t Time) []byte { return binary.AppendVarint(b, int64(t)) }

func appendOp(b []byte, kind byte, op *Op) []byte {
	b = append(b, kind, byte(op.Command), byte(op.Outcome))
	b = binary.AppendUvarint(b, uint64(op.Client))
	b = appendString(b, op.Key)
	b = binary.AppendUvarint(b, uint64(op.Value))
	b = binary.AppendUvarint(b, uint64(op.Old))
	b = appendTime(b, op.Call)
	b = appendTime(b, op.Return)
	b = binary.AppendVarint(b, int64(op.ViewAge))
	b = appendString(b, op.Node)
	b = binary.AppendUvarint(b, uint64(len(op.Nodes)))
	for _, n := range op.Nodes {
		b = append(appendString(b, n.Node), byte(n.Outcome))
	}
	return b
}

func appendEvent(b []byte, e *Event) []byte {
	b = append(b, recordEvent, byte(e.Kind))
	b = appendString(b, e.Node)
	b = binary.AppendUvarint(b, uint64(e.Client))
	b = appendTime(b, e.Start)
	b = appendTime(b, e.End)
	return appendString(b, e.Text)
}

func appendDump(b []byte, d *Dump) []byte {
	b = appendString(append(b, recordDump), d.Node)
	b = appendString(b, d.Key)
	b = binary.AppendUvarint(b, uint64(d.Value))
	return appendTime(b, d.At)
}

// decoder takes fields off a record. After the first that is not there, damaged stays true and all others are zero.
type decoder struct {
	rest    []byte
	damaged bool
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.damaged = true
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) unsigned() uint64 {
	v, n := binary.Uvarint(d.rest)
	return skip(d, v, n)
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.rest)
	return skip(d, v, n)
}

// skip drops the n bytes that v was read from, n being what package binary returned.
func skip[T int64 | uint64](d *decoder, v T, n int) T {
	if n <= 0 {
		d.damaged, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) time() Time { return Time(d.signed()) }

func (d *decoder) string() string {
	n := d.unsigned()
	if n > uint64(len(d.rest)) {
		d.damaged, d.rest = true, nil
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

// op returns the operation of a record whose kind has been taken off.
func (d *decoder) op() Op {
	op := Op{Command: Command(d.byte()), Outcome: Outcome(d.byte()), Client: Client(d.unsigned()), Key: d.string()}
	op.Value, op.Old = Value(d.unsigned()), Value(d.unsigned())
	op.Call, op.Return = d.time(), d.time()
	op.ViewAge = time.Duration(d.signed())
	op.Node = d.string()
	count := d.unsigned()
	if count > maxListed {
		d.damaged = true
	}
	for ; count > 0 && !d.damaged; count-- {
		op.Nodes = append(op.Nodes, NodeOutcome{d.string(), Outcome(d.byte())})
	}
	return op
}

func (d *decoder) event() Event {
	return Event{
		Kind: EventKind(d.byte()), Node: d.string(), Client: Client(d.unsigned()),
		Start: d.time(), End: d.time(), Text: d.string(),
	}
}

func (d *decoder) dump() Dump {
	return Dump{Node: d.string(), Key: d.string(), Value: Value(d.unsigned()), At: d.time()}
}
