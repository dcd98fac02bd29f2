// Package zstd answers: how are values compressed with Zstandard?
//
//	z, err := zstd.New(zstd.Default)
//	if err != nil { … }
//	client, err := memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithCompression(z, 1<<10))
//
// It is usually faster than the Deflate and Gzip of the core, and makes values smaller. With a dictionary it can make
// something of values that are too short for them. Each value is a frame of RFC 8878 that states its size and has a
// checksum, marked with the ID 3.
//
// The algorithm is github.com/klauspost/compress/zstd, pure Go, without dependencies of its own.
package zstd

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	klauspost "github.com/klauspost/compress/zstd"
	"github.com/nohop/memcache"
)

// Level is how much effort goes into making values small.
type Level int

// The levels, and about which of the zstd command's they are.
const (
	Fastest Level = Level(klauspost.SpeedFastest)           // 1
	Default Level = Level(klauspost.SpeedDefault)           // 3
	Better  Level = Level(klauspost.SpeedBetterCompression) // 7
	Best    Level = Level(klauspost.SpeedBestCompression)   // 11
)

// Compressor is a memcache.Compressor. It is safe for concurrent use and need not be closed.
type Compressor struct {
	encoder *klauspost.Encoder
	decoder *klauspost.Decoder
}

var _ memcache.Compressor = (*Compressor)(nil)

// Errors of New and of Decompress.
var (
	ErrBadLevel = errors.New("zstd: no such level")
	ErrNoSize   = errors.New("zstd: the frame does not say how large its content is")
)

// New returns a Compressor. The first of the dictionaries, if there are any, is used to compress; values compressed with any
// of them can be read, so that a new one can be put before the last. Dictionaries are in zstd's format, as "zstd --train"
// makes them, and each has an ID of its own. The error is ErrBadLevel, or tells what is wrong with a dictionary.
func New(level Level, dictionaries ...[]byte) (*Compressor, error) {
	if level < Fastest || level > Best {
		return nil, ErrBadLevel
	}
	cores := runtime.GOMAXPROCS(0)
	writing := []klauspost.EOption{
		klauspost.WithEncoderLevel(klauspost.EncoderLevel(level)), klauspost.WithEncoderConcurrency(cores),
		klauspost.WithEncoderCRC(true), klauspost.WithZeroFrames(true), klauspost.WithSingleSegment(true),
		klauspost.WithLowerEncoderMem(true),
	}
	reading := []klauspost.DOption{klauspost.WithDecoderConcurrency(cores), klauspost.WithDecodeAllCapLimit(true)}
	if len(dictionaries) > 0 {
		writing = append(writing, klauspost.WithEncoderDict(dictionaries[0]))
		reading = append(reading, klauspost.WithDecoderDicts(dictionaries...))
	}
	encoder, err := klauspost.NewWriter(nil, writing...)
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	decoder, err := klauspost.NewReader(nil, reading...)
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &Compressor{encoder, decoder}, nil
}

// ID returns 3.
func (*Compressor) ID() uint8 { return 3 }

// Compress appends src, compressed, to dst.
func (z *Compressor) Compress(dst, src []byte) ([]byte, error) {
	return z.encoder.EncodeAll(src, dst), nil
}

// Decompress appends what src was to dst; memcache.ErrTooLarge if that is more than limit bytes. Room is made for as much as
// src says, within the limit, and no more is written. Where src does not say, as streams do not, it is ErrNoSize.
func (z *Compressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	var header klauspost.Header
	if err := header.Decode(src); err != nil {
		return dst, fmt.Errorf("zstd: %w", err)
	}
	switch {
	case !header.HasFCS:
		return dst, ErrNoSize
	case header.FrameContentSize > uint64(limit):
		return dst, memcache.ErrTooLarge
	}
	size := int(header.FrameContentSize)
	// The decoder fills what capacity there is.
	room := slices.Grow(dst, size)[: len(dst) : len(dst)+size]
	out, err := z.decoder.DecodeAll(src, room)
	if err != nil {
		return dst, fmt.Errorf("zstd: %w", err)
	}
	return out, nil
}
