package discovery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// File is a list in a file, read whole at every look-up, so that it does not matter how it is replaced: written anew,
// renamed over, or swapped by a symbolic link as Kubernetes does with a ConfigMap. New contents count when a second
// look a moment later finds the same; a file that is still being written is ErrChanging.
//
// The file is JSON if it starts with a bracket: an array of nodes and addresses,
//
//	["10.0.0.1:11211", {"name": "cache-2", "addr": "10.0.0.2:11211", "zone": "b", "weight": 2, "meta": {"rack": "7"}}]
//
// else it has a node on each line, with comments after a #:
//
//	10.0.0.1:11211
//	10.0.0.2:11211 name=cache-2 zone=b weight=2 # the large one
//
// A node's identity is its name, or its address if it has none. Use it as &File{Path: path}; it is safe for concurrent use.
type File struct {
	Path     string
	MaxBytes int64 // a longer file is ErrTooLarge; default 1 MiB

	mu      sync.Mutex
	settled [sha256.Size]byte // of the contents that two looks have agreed on
}

const (
	defaultMaxFile = 1 << 20
	settleTime     = 50 * time.Millisecond // between two looks
)

// FileError is a file that cannot be read or used.
type FileError struct {
	Path string
	Line int // from 1; 0: the whole file
	Err  error
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("discovery: file %s: %v", quote(e.Path), e.Err)
	}
	return fmt.Sprintf("discovery: file %s, line %d: %v", quote(e.Path), e.Line, e.Err)
}

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Nodes reads the file. The error is a *FileError, or ErrNoNodes if the file lists none.
func (f *File) Nodes(ctx context.Context) ([]Node, error) {
	contents, err := f.readSettled(ctx)
	if err != nil {
		return nil, &FileError{Path: f.Path, Err: err}
	}
	nodes, line, err := parseFile(contents)
	if err != nil {
		return nil, &FileError{f.Path, line, err}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("%w: file %s lists none", ErrNoNodes, quote(f.Path))
	}
	return nodes, nil
}

// readSettled reads the file, twice if it has changed.
func (f *File) readSettled(ctx context.Context) ([]byte, error) {
	contents, err := f.read()
	if err != nil || f.isSettled(contents) {
		return contents, err
	}
	if !sleep(ctx, settleTime) {
		return nil, ctx.Err()
	}
	again, err := f.read()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(contents, again) {
		return nil, ErrChanging
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = sha256.Sum256(contents)
	return contents, nil
}

func (f *File) isSettled(contents []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.settled == sha256.Sum256(contents)
}

func (f *File) read() ([]byte, error) {
	if info, err := os.Stat(f.Path); err == nil && !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file") // to open a pipe would wait for its writer
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer file.Close()
	most := f.MaxBytes
	setDefault(&most, defaultMaxFile)
	contents, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(contents)) > most {
		return nil, ErrTooLarge
	}
	return contents, nil
}

// withoutPath takes out the path, which FileError has.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
