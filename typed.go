package memcache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Get returns the value of key, decoded. A key that is not there is ErrCacheMiss, a value that codec cannot decode a
// *CodecError; the rest is as with Client.Get. Load is Get for a value that can be had from elsewhere.
func Get[T any](ctx context.Context, c *Client, key string, codec Codec[T]) (T, error) {
	item, err := c.Get(ctx, key)
	if err != nil {
		var none T
		return none, err
	}
	return decode(codec, item)
}

// Set stores v, encoded, for ttl; 0 means that it never expires. The rest is as with Client.Set.
func Set[T any](ctx context.Context, c *Client, key string, codec Codec[T], ttl time.Duration, v T) error {
	item, err := encode(codec, v)
	if err != nil {
		return err
	}
	item.Key, item.TTL = key, ttl
	return c.Set(ctx, item)
}

// FormatCodec is a Codec whose values are marked, so that one that was encoded otherwise is an error and not misread.
// JSON and Gob are such; Raw is not: it takes any bytes for what they are.
//
// The mark is in client flags 24 to 27, which are the application's everywhere else: Item.Flags shows it. A value
// without a mark is decoded too, since others may have stored it.
type FormatCodec[T any] interface {
	Codec[T]
	// Format is 1 for JSON, 2 for Gob, 8 to 15 for formats of the application's own; 3 to 7 are reserved.
	Format() uint8
}

// ErrOtherFormat means that a value was encoded by a Codec of another format.
var ErrOtherFormat = errors.New("memcache: value is in another format")

func formatOf[T any](codec Codec[T]) uint8 {
	if f, ok := codec.(FormatCodec[T]); ok {
		return f.Format() & 0xf
	}
	return 0
}

func encode[T any](codec Codec[T], v T) (*Item, error) {
	data, err := codec.Encode(v)
	if err != nil {
		return nil, &CodecError{Err: err}
	}
	return &Item{Value: data, Flags: uint32(formatOf(codec)) << formatShift}, nil
}

// decode turns an item into a value. Marks of compression are left only where the client does not know of any.
func decode[T any](codec Codec[T], item *Item) (v T, err error) {
	if id := uint8(item.Flags >> compressionShift); id != 0 {
		return v, &CompressionError{id, ErrUnknownCompression}
	}
	stored, want := uint8(item.Flags>>formatShift), formatOf(codec)
	if stored != 0 && want != 0 && stored != want {
		return v, &CodecError{Decoding: true, Err: fmt.Errorf("%w: %d, not %d", ErrOtherFormat, stored, want)}
	}
	if v, err = codec.Decode(item.Value); err != nil {
		return v, &CodecError{Decoding: true, Err: err}
	}
	return v, nil
}
