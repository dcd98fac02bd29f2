package memcache

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Client flags are the 32 bits that memcached keeps beside a value. Bits 0 to 23 are always the application's. The four
// highest say how a value is compressed, where a client compresses; the four below in which format it is encoded, where a
// FormatCodec is used. Elsewhere they are the application's too.
//
// They are the highest byte because clients count from the lowest: those in Python take bits 0 to 4, Ruby's dalli 0 to 2,
// PHP's 0 to 15 (and gives 16 to 31 to the application), spymemcached and EVCache 0, 1 and 8 to 15, mcrouter 0 to 19.
const (
	compressionShift = 28
	compressionBits  = 0xf << compressionShift
	formatShift      = 24
	formatBits       = 0xf << formatShift
)

// Errors of compression.
var (
	ErrCompressed         = errors.New("memcache: cannot append to a compressed value")
	ErrReservedFlags      = errors.New("memcache: item flags 28 to 31 say how a value is compressed")
	ErrUnknownCompression = errors.New("memcache: compressed in a way that this client does not know")
)

// Compressor is a way to compress values. It must be safe for concurrent use and keep nothing of src.
type Compressor interface {
	// ID is what marks values compressed so, in client flags 28 to 31: 1 Deflate, 2 Gzip, 3 contrib/zstd; 4 to 7 are
	// reserved and 8 to 14 are the application's own. 0 is a value that is not compressed, and 15 is never used, since
	// clients that store -1 as flags would seem to mean it.
	ID() uint8
	// Compress appends src, compressed, to dst.
	Compress(dst, src []byte) ([]byte, error)
	// Decompress appends what src was to dst. If that is more than limit bytes, the error is ErrTooLarge and no more than
	// that was taken up. It should tell damaged bytes by a checksum.
	Decompress(dst, src []byte, limit int) ([]byte, error)
}

// CompressionError is a value that could not be compressed, or one in the cache that could not be decompressed:
// ErrUnknownCompression, ErrTooLarge, or the Compressor's error. The item stays where it is.
type CompressionError struct {
	ID  uint8 // of the Compressor
	Err error
}

func (e *CompressionError) Error() string {
	return fmt.Sprintf("memcache: compression %d: %v", e.ID, e.Err)
}

// Unwrap returns the cause.
func (e *CompressionError) Unwrap() error { return e.Err }

// compression is what a client knows of it; nil if nothing.
type compression struct {
	with      Compressor // nil: it only reads
	threshold int
	known     [16]Compressor // by ID
	limit     int            // of a value that is not compressed
}

const (
	minThreshold        = 32       // longer than any number, so that Increment finds it as it was stored
	defaultUncompressed = 32 << 20 // four times the default of WithMaxValue
)

// WithCompression has values of threshold bytes or more, at least 32, compressed before they are sent, if that makes them
// smaller, and values that are compressed decompressed when they are read. How a value is compressed is marked in flags 28
// to 31 (Compressor.ID), which are not shown in Item.Flags: an item that uses them itself is ErrReservedFlags.
//
// The option has every Compressor that this package has read, and those of WithDecompression; a value marked otherwise is a
// *CompressionError. A client with neither option leaves values and all flags as they are stored: it cannot know whose
// marks they are. So give all clients WithDecompression first, then the first one this.
//
// WithMaxValue bounds what travels, WithMaxUncompressed what is stored and read. To Append or Prepend to a compressed value
// is ErrCompressed; to learn of that they read the item's flags first, which takes a round trip and a server from 1.6.13 on.
func WithCompression(with Compressor, threshold int) Option {
	return func(c *config) error {
		if threshold < minThreshold {
			return badOption("the threshold of compression must be at least 32 bytes")
		}
		if c.compression != nil && c.compression.with != nil {
			return badOption("compression is given twice")
		}
		if err := c.decompress(with); err != nil {
			return err
		}
		c.compression.with, c.compression.threshold = with, threshold
		return nil
	}
}

// WithDecompression has values read that others have compressed, by the Compressors of this package and by those given.
// It compresses nothing; for the rest, see WithCompression.
func WithDecompression(also ...Compressor) Option {
	return func(c *config) error { return c.decompress(also...) }
}

// WithMaxUncompressed bounds a value before it is compressed and after it was decompressed, in bytes; the default is 32
// MiB. What is larger is ErrTooLarge, and no larger one is held in memory, whatever a compressed value claims to be.
func WithMaxUncompressed(bytes int) Option {
	return func(c *config) error {
		c.maxUncompressed = bytes
		return positive("maximum uncompressed size", bytes)
	}
}

// decompress has the client read what is compressed by these, and by those of this package.
func (c *config) decompress(by ...Compressor) error {
	if c.compression == nil {
		c.compression = &compression{}
		by = append([]Compressor{Deflate{}, Gzip{}}, by...)
	}
	for _, z := range by {
		if z == nil {
			return badOption("no compressor")
		}
		if z.ID() < 1 || z.ID() > 14 {
			return badOption("a compressor's ID is 1 to 14")
		}
		if _, err := z.Compress(nil, nil); err != nil {
			return fmt.Errorf("%w: compressor: %w", ErrBadOption, err)
		}
		c.compression.known[z.ID()] = z
	}
	return nil
}

func (c *config) validateCompression() error {
	switch {
	case c.compression != nil:
		c.compression.limit = c.maxUncompressed
		if c.maxUncompressed == 0 {
			c.compression.limit = defaultUncompressed
		}
	case c.maxUncompressed != 0:
		return badOption("WithMaxUncompressed needs WithCompression or WithDecompression")
	}
	return nil
}

// pack compresses the value that q stores, if that makes it smaller. The compressed bytes are appended to buf, which is
// returned, longer.
func (z *compression) pack(buf []byte, q *protocol.Request) ([]byte, error) {
	if q.Flags&compressionBits != 0 {
		return buf, &OpError{Command: q.Command, Outcome: pool.NotSent, Err: ErrReservedFlags}
	}
	if len(q.Value) > z.limit {
		return buf, &OpError{Command: q.Command, Outcome: pool.NotSent, Err: ErrTooLarge}
	}
	if z.with == nil || len(q.Value) < z.threshold {
		return buf, nil
	}
	id := z.with.ID()
	packed, err := z.with.Compress(buf, q.Value)
	switch {
	case err != nil:
		return buf, &CompressionError{id, err}
	case len(packed) < len(buf):
		return buf, &CompressionError{id, errShorter}
	case len(packed)-len(buf) < len(q.Value):
		q.Value, q.Flags = packed[len(buf):], q.Flags|uint32(id)<<compressionShift
	}
	return packed, nil
}

var errShorter = errors.New("the compressor has taken away from what it was to append to")

// unpack puts the value that op has read, behind op.Dst, into the form in which it was stored, and takes the mark off its flags.
func (z *compression) unpack(op *route.Op) error {
	id := op.Reply.Flags >> compressionShift
	if id == 0 {
		return nil
	}
	value, err := z.decompressed(uint8(id), op.Value, len(op.Dst))
	if err != nil {
		return &CompressionError{uint8(id), err}
	}
	op.Value, op.Reply.Flags = value, op.Reply.Flags&^compressionBits
	return nil
}

// decompressed returns v with what is behind the first bytes decompressed, in place if there is room.
func (z *compression) decompressed(id uint8, v []byte, first int) ([]byte, error) {
	by := z.known[id]
	if by == nil {
		return nil, ErrUnknownCompression
	}
	if first == 0 {
		out, err := by.Decompress(nil, v, z.limit)
		return out, cmp.Or(err, z.check(len(out)))
	}
	longer, err := by.Decompress(v, v[first:], z.limit)
	if err := cmp.Or(err, z.check(len(longer)-len(v))); err != nil {
		return nil, err
	}
	n := copy(longer[first:], longer[len(v):])
	return longer[:first+n], nil
}

// check holds a compressor to its contract.
func (z *compression) check(n int) error {
	switch {
	case n < 0:
		return errShorter
	case n > z.limit:
		return ErrTooLarge
	}
	return nil
}
