package mcjson

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ImportFrom returns an Options.Import that reads files as mcrouter does: a path is relative to dir, which is the directory
// of the main configuration, also inside of imported files; "file:" before it makes it one of the process. A path that
// begins with / is absolute. Its errors are those of package os, or say that the file is larger than MaxFileBytes.
func ImportFrom(dir string) func(path string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if name, ok := strings.CutPrefix(path, "file:"); ok {
			return readFile(name)
		}
		if filepath.IsAbs(path) {
			return readFile(path)
		}
		return readFile(filepath.Join(dir, path))
	}
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFileBytes {
		return nil, fmt.Errorf("%s has more than %d MiB", name, MaxFileBytes>>20)
	}
	return data, nil
}

// importFile reads, parses and expands a file. Each path is imported once; its value is the same everywhere, so it sees
// constants and macros but no parameters. If anything is wrong with it, the default takes its place.
func (c *call) importFile() (*Value, error) {
	path, err := c.argOf("path", String)
	if err != nil {
		return nil, err
	}
	if v := c.e.imports[path.Str]; v != nil {
		return v, nil
	}
	if c.e.importing[path.Str] {
		return nil, limitError(c.at.Pos, c.scope.frame, "import: %q: the file imports itself", path.Str)
	}
	v, err := c.importNew(path.Str)
	if err != nil && c.args["default"] != nil && !errors.Is(err, ErrLimit) {
		c.warn(c.at.Pos, fmt.Sprintf("import: %q: the default is taken: %v", path.Str, err))
		v, err = c.arg("default")
	}
	if err == nil {
		c.e.imports[path.Str] = v
	}
	return v, err
}

func (c *call) importNew(path string) (*Value, error) {
	if c.e.options.Import == nil {
		return nil, c.errorf("%q: there is nothing to import from", path)
	}
	c.e.importing[path] = true
	defer delete(c.e.importing, path)
	data, err := c.e.options.Import(path)
	if err != nil {
		failed := c.errorf("%q: %v", path, err).(*Error)
		failed.Err = err
		return nil, failed
	}
	if err := c.e.spend(int64(len(data)), c.at, c.scope); err != nil {
		return nil, err
	}
	v, err := Parse(data, path)
	if err != nil {
		return nil, c.called(err)
	}
	return c.e.expand(v, &scope{frame: c.frame()})
}

// called adds this call to an error of Parse, which knows nothing of calls.
func (c *call) called(err error) error {
	var malformed *Error
	if !errors.As(err, &malformed) {
		return err
	}
	malformed.Calls = c.frame().calls()
	return malformed
}
