package memcache

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"reflect"
	"time"
)

// Codec turns values of one type into bytes and back. It must be safe for concurrent use, and Decode may keep data.
type Codec[T any] interface {
	Encode(v T) ([]byte, error)
	Decode(data []byte) (T, error)
}

// JSON is the codec of encoding/json.
type JSON[T any] struct{}

// Encode marshals v.
func (JSON[T]) Encode(v T) ([]byte, error) { return json.Marshal(v) }

// Decode unmarshals data.
func (JSON[T]) Decode(data []byte) (v T, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// Format returns 1.
func (JSON[T]) Format() uint8 { return 1 }

// Gob is the codec of encoding/gob. Each value carries the description of its type, so short ones grow by a lot. What is decoded must come
// from a trusted place: gob is not made for hostile bytes.
type Gob[T any] struct{}

// Encode writes v to a stream of its own. A nil pointer is an error: gob would panic, or make a zero value of it.
func (Gob[T]) Encode(v T) ([]byte, error) {
	if p := reflect.ValueOf(v); p.Kind() == reflect.Pointer && p.IsNil() {
		return nil, errGobNil
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(&v)
	return b.Bytes(), err
}

var errGobNil = errors.New("gob has no nil pointer")

// Decode reads a stream of one value.
func (Gob[T]) Decode(data []byte) (v T, err error) {
	err = gob.NewDecoder(bytes.NewReader(data)).Decode(&v)
	return v, err
}

// Format returns 2.
func (Gob[T]) Format() uint8 { return 2 }

// Raw is the codec of what is bytes already.
type Raw[T ~[]byte | ~string] struct{}

// Encode returns the bytes of v.
func (Raw[T]) Encode(v T) ([]byte, error) { return []byte(v), nil }

// Decode returns data.
func (Raw[T]) Decode(data []byte) (T, error) { return T(data), nil }

// CodecError is a value that a Codec could not encode, or bytes from the cache that it could not decode. The item stays
// where it is: to change the format of values, change their keys.
type CodecError struct {
	Decoding bool // else encoding
	Err      error
}

func (e *CodecError) Error() string {
	if e.Decoding {
		return "memcache: decode: " + e.Err.Error()
	}
	return "memcache: encode: " + e.Err.Error()
}

// Unwrap returns the codec's error.
func (e *CodecError) Unwrap() error { return e.Err }

// Load is GetOrLoad for values of any type: it returns the value of key or, if there is none, has load make it and stores
// it for ttl; 0 means that it never expires. Every caller gets a value of its own, decoded from the stored bytes. A codec
// that fails is a *CodecError; all other errors, and how callers share a load, are those of GetOrLoad.
func Load[T any](ctx context.Context, c *Client, key string, codec Codec[T], ttl time.Duration,
	load func(context.Context) (T, error), opts ...LoadOption) (T, error) {
	var none T
	item, absent, err := c.lookUp(ctx, key, opts)
	if absent != nil {
		item, err = absent.load(ctx, encoded(codec, ttl, load))
	}
	if err != nil {
		return none, err
	}
	return decode(codec, item)
}

// encoded makes of a load of values one of items.
func encoded[T any](codec Codec[T], ttl time.Duration, load func(context.Context) (T, error)) loadFunc {
	if load == nil {
		return nil
	}
	return func(ctx context.Context) (*Item, error) {
		v, err := load(ctx)
		if err != nil {
			return nil, err
		}
		item, err := encode(codec, v)
		if err != nil {
			return nil, err
		}
		item.TTL = ttl
		return item, nil
	}
}
