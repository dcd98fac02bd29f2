package history

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// FormatError is a file that is no history, or a damaged one.
type FormatError struct {
	File   string
	Record int // number of the record, from 1; 0: the head of the file
	Err    error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("history: %s, record %d: %v", e.File, e.Record, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// Read merges the files of a run and counts times from the first record. A write that was begun and has no end, because
// its process died, becomes ambiguous. So a file may end inside a record; any other damage is a *FormatError.
func Read(paths ...string) (*History, error) {
	m := merge{ended: map[Value]bool{}}
	for _, path := range paths {
		if err := m.readFile(path); err != nil {
			return nil, err
		}
	}
	m.addUnended()
	m.history.rebase()
	return &m.history, nil
}

// merge is a history that is being read.
type merge struct {
	history History
	begun   []Op
	ended   map[Value]bool // writes that returned
}

func (m *merge) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if number, err := m.read(bufio.NewReader(f)); err != nil {
		return &FormatError{path, number, err}
	}
	return nil
}

// read takes all records of one file and returns the number of the last one that it began to read.
func (m *merge) read(in *bufio.Reader) (number int, err error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		return 0, errors.New("not a history of this version")
	}
	for number = 1; ; number++ {
		record, err := nextRecord(in)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return number, nil
		}
		if err == nil {
			err = m.add(record)
		}
		if err != nil {
			return number, err
		}
	}
}

func nextRecord(in *bufio.Reader) ([]byte, error) {
	length, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, err
	}
	if length == 0 || length > maxRecord {
		return nil, errRecord
	}
	record := make([]byte, length)
	_, err = io.ReadFull(in, record)
	return record, err
}

func (m *merge) add(record []byte) error {
	d := decoder{rest: record}
	h := &m.history
	switch d.byte() {
	case recordBegin:
		m.begun = append(m.begun, d.op())
	case recordEnd:
		op := d.op()
		if !op.isRead() {
			m.ended[op.Value] = true
		}
		h.Ops = append(h.Ops, op)
	case recordEvent:
		h.Events = append(h.Events, d.event())
	case recordDump:
		h.Dumps = append(h.Dumps, d.dump())
	default:
		return errRecord
	}
	if d.damaged {
		return errRecord
	}
	return nil
}

func (m *merge) addUnended() {
	for _, op := range m.begun {
		if !m.ended[op.Value] {
			op.Outcome, op.Return = Ambiguous, Never
			m.history.Ops = append(m.history.Ops, op)
		}
	}
}

// rebase makes times count from the first call or event.
func (h *History) rebase() {
	first := Never
	for i := range h.Ops {
		first = min(first, h.Ops[i].Call)
	}
	for i := range h.Events {
		first = min(first, h.Events[i].Start)
	}
	for i := range h.Ops {
		h.Ops[i].Call = h.Ops[i].Call.since(first)
		h.Ops[i].Return = h.Ops[i].Return.since(first)
	}
	for i := range h.Events {
		h.Events[i].Start, h.Events[i].End = h.Events[i].Start.since(first), h.Events[i].End.since(first)
	}
	for i := range h.Dumps {
		h.Dumps[i].At = h.Dumps[i].At.since(first)
	}
}

func (t Time) since(first Time) Time {
	if t == Never {
		return Never
	}
	return t - first
}
