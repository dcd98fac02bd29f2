package memcache

import (
	"bytes"
	"cmp"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
)

// Deflate compresses in the zlib format (RFC 1950), which adds 6 bytes and a checksum. Its ID is 1.
type Deflate struct {
	Level int // 1, the fastest, to 9, the smallest; 0: 6
}

// Gzip compresses in the gzip format (RFC 1952), which adds 18 bytes and a checksum. Its ID is 2.
type Gzip struct {
	Level int // 1, the fastest, to 9, the smallest; 0: 6
}

// ID returns 1.
func (Deflate) ID() uint8 { return 1 }

// ID returns 2.
func (Gzip) ID() uint8 { return 2 }

// Compress appends src, compressed, to dst.
func (d Deflate) Compress(dst, src []byte) ([]byte, error) { return zlibs.compress(d.Level, dst, src) }

// Compress appends src, compressed, to dst.
func (g Gzip) Compress(dst, src []byte) ([]byte, error) { return gzips.compress(g.Level, dst, src) }

// Decompress appends what src was to dst.
func (Deflate) Decompress(dst, src []byte, limit int) ([]byte, error) {
	return zlibs.decompress(dst, src, limit)
}

// Decompress appends what src was to dst.
func (Gzip) Decompress(dst, src []byte, limit int) ([]byte, error) {
	return gzips.decompress(dst, src, limit)
}

// format is one of the two around the same algorithm, with its state that is kept for use again: a compressor is some
// 800 KiB.
type format struct {
	writer func(w io.Writer, level int) (resetWriter, error)
	reset  func(old io.ReadCloser, r io.Reader) (io.ReadCloser, error) // old is nil at first

	deflaters [flate.BestCompression + 1]sync.Pool // by level; of *deflater
	inflaters sync.Pool                            // of *inflater
}

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
}

type deflater struct {
	w   resetWriter
	out appender
}

type inflater struct {
	r  io.ReadCloser
	in bytes.Reader
}

// appender collects what is written to it.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

var zlibs = &format{
	writer: func(w io.Writer, level int) (resetWriter, error) { return zlib.NewWriterLevel(w, level) },
	reset: func(old io.ReadCloser, r io.Reader) (io.ReadCloser, error) {
		if old == nil {
			return zlib.NewReader(r)
		}
		return old, old.(zlib.Resetter).Reset(r, nil)
	},
}

var gzips = &format{
	writer: func(w io.Writer, level int) (resetWriter, error) { return gzip.NewWriterLevel(w, level) },
	reset: func(old io.ReadCloser, r io.Reader) (_ io.ReadCloser, err error) {
		z, ok := old.(*gzip.Reader)
		if ok {
			err = z.Reset(r)
		} else {
			z, err = gzip.NewReader(r)
		}
		if err == nil {
			z.Multistream(false)
		}
		return z, err
	},
}

var errLevel = errors.New("memcache: a level of compression is 1 to 9")

func (f *format) compress(level int, dst, src []byte) ([]byte, error) {
	level = cmp.Or(level, 6)
	if level < flate.BestSpeed || level > flate.BestCompression {
		return dst, errLevel
	}
	d, ok := f.deflaters[level].Get().(*deflater)
	if !ok {
		d = new(deflater)
		w, err := f.writer(&d.out, level)
		if err != nil {
			return dst, err
		}
		d.w = w
	}
	defer f.deflaters[level].Put(d)
	d.out = dst
	d.w.Reset(&d.out)
	_, err := d.w.Write(src)
	err = cmp.Or(err, d.w.Close())
	out := d.out
	d.out = nil
	return out, err
}

func (f *format) decompress(dst, src []byte, limit int) ([]byte, error) {
	i, ok := f.inflaters.Get().(*inflater)
	if !ok {
		i = new(inflater)
	}
	i.in.Reset(src)
	r, err := f.reset(i.r, &i.in)
	if err != nil {
		return dst, err
	}
	i.r = r
	defer func() {
		i.in.Reset(nil)
		f.inflaters.Put(i)
	}()
	out, err := readUpTo(dst, r, limit)
	if err == nil && i.in.Len() > 0 {
		err = errTrailing
	}
	return out, err
}

var errTrailing = errors.New("memcache: there are bytes behind a compressed value")

// readUpTo appends all of r to dst; ErrTooLarge if that is more than limit bytes.
func readUpTo(dst []byte, r io.Reader, limit int) ([]byte, error) {
	start := len(dst)
	limit = min(limit, math.MaxInt-start-1)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(4<<10, len(dst)-start), start+limit+1-len(dst)))
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), start+limit+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst)-start > limit:
			return dst[:start], ErrTooLarge
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst[:start], err
		}
	}
}
