package history

import (
	"bufio"
	"os"
	"sync"
)

// magic opens every file of a history.
const magic = "nohop history 1\n"

// Writer appends records to one file. It is safe for concurrent use. The first error stays: every later call, Close
// included, returns it.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	buf  []byte // of the record being written
	err  error
}

// Create makes or empties the file at path.
func Create(path string) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, out: bufio.NewWriterSize(f, 64<<10)}
	_, w.err = w.out.WriteString(magic)
	return w, w.err
}

// Begin records that a write is about to be sent. When it returns, the record survives the death of the process, though
// not that of the machine: then the write counts as ambiguous. Reads need no Begin.
func (w *Writer) Begin(op *Op) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeLocked(appendOp(w.buf[:0], recordBegin, op))
	if w.err == nil {
		w.err = w.out.Flush()
	}
	return w.err
}

// End records an operation that has returned. The record may stay in memory until the next Begin or Close.
func (w *Writer) End(op *Op) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeLocked(appendOp(w.buf[:0], recordEnd, op))
}

// Event records e.
func (w *Writer) Event(e *Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeLocked(appendEvent(w.buf[:0], e))
}

// Dump records d.
func (w *Writer) Dump(d *Dump) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeLocked(appendDump(w.buf[:0], d))
}

// Close writes what is left and closes the file.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if err := w.file.Close(); w.err == nil {
		w.err = err
	}
	return w.err
}

func (w *Writer) writeLocked(record []byte) error {
	w.buf = record
	if w.err == nil {
		_, w.err = w.out.Write(frame(record))
	}
	return w.err
}
