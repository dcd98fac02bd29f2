package rulestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// File is a store in a file, in the form that hotkey.ParseTable reads. It is read whole each second, so that it does not
// matter how it is replaced: written anew, renamed over, or swapped by a symbolic link as Kubernetes does with a ConfigMap.
// A file that is still being written is refused as not valid, and read again a second later.
//
// A table in a file needs no epoch: any change of the contents counts, but for one that lowers the epoch.
//
// Use it as &File{Path: path}; it is safe for concurrent use.
type File struct {
	Path string

	mu   sync.Mutex
	last contents
}

// contents is a file that was read, and what is in it.
type contents struct {
	data  []byte
	table *hotkey.Table
	err   error
}

// FileError is a file that cannot be read, used or written.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("rulestore: file %s: %v", strconv.Quote(e.Path), e.Err)
}

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

func (f *File) fail(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return &FileError{f.Path, err}
}

// Interval is a second.
func (f *File) Interval() time.Duration { return time.Second }

// Load reads the file. The error is a *FileError around fs.ErrNotExist and ErrNoTable, a *hotkey.TableError or one of the
// file system.
func (f *File) Load(context.Context) (*hotkey.Table, error) {
	data, err := f.read()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.data == nil || !bytes.Equal(f.last.data, data) {
		f.last = contents{data: data}
		if f.last.table, err = hotkey.ParseTable(data); err != nil {
			f.last.err = f.fail(err)
		}
	}
	return f.last.table, f.last.err
}

func (f *File) read() ([]byte, error) {
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, f.fail(fmt.Errorf("%w: %w", ErrNoTable, fs.ErrNotExist))
	case err != nil:
		return nil, f.fail(err)
	case !info.Mode().IsRegular():
		return nil, f.fail(errors.New("not a regular file")) // to open a pipe would wait for its writer
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, f.fail(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, hotkey.MaxTableSize+1))
	if err != nil {
		return nil, f.fail(err)
	}
	return data, nil
}

// Publish replaces the file, by one that is written beside it and renamed. Nothing guards against another process that does
// so in the same moment: the last one wins.
func (f *File) Publish(ctx context.Context, base hotkey.Header, t *hotkey.Table) error {
	held, err := f.Load(ctx)
	if err != nil && !errors.Is(err, ErrNoTable) && !errors.Is(err, hotkey.ErrBadTable) {
		return err
	}
	if err := mayReplace(held.Header(), base, t); err != nil {
		return err
	}
	data, err := t.MarshalJSON()
	if err != nil {
		return err
	}
	if err := f.replace(data); err != nil {
		return f.fail(err)
	}
	return nil
}

func (f *File) replace(data []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(f.Path), filepath.Base(f.Path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), f.Path)
}
