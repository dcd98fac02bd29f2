package memcache_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

type user struct {
	Name string
	Age  int
}

func TestLoadWithCodecs(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, calls := w.client(), 0
		for range 2 {
			u, err := memcache.Load(w.Context(), c, "u", memcache.JSON[*user]{}, time.Minute, func(context.Context) (*user, error) {
				calls++
				return &user{"Ada", 36}, nil
			})
			require.NoError(w, err)
			require.Equal(w, &user{"Ada", 36}, u)

			text, err := memcache.Load(w.Context(), c, "s", memcache.Raw[string]{}, 0, func(context.Context) (string, error) {
				calls++
				return "text", nil
			})
			require.NoError(w, err)
			require.Equal(w, "text", text)

			b, err := memcache.Load(w.Context(), c, "b", memcache.Raw[json.RawMessage]{}, 0, func(context.Context) (json.RawMessage, error) {
				calls++
				return json.RawMessage(nil), nil
			})
			require.NoError(w, err)
			require.Empty(w, b)
		}
		require.Equal(w, 3, calls)
		require.Equal(w, `VA 23 t60|{"Name":"Ada","Age":36}`, w.ask(0, "mg u v t"))
	})
}

func TestLoadErrors(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		failed := errors.New("no database")
		_, err := memcache.Load(w.Context(), c, "k", memcache.Raw[string]{}, 0, func(context.Context) (string, error) { return "", failed })
		require.Equal(w, failed, err)
		_, err = memcache.Load(w.Context(), c, "k", memcache.JSON[user]{}, 0, nil)
		require.Error(w, err)

		var bad *memcache.CodecError
		_, err = memcache.Load(w.Context(), c, "k", memcache.JSON[func()]{}, 0, func(context.Context) (func(), error) { return func() {}, nil })
		require.ErrorAs(w, err, &bad)
		require.False(w, bad.Decoding)
		require.ErrorContains(w, err, "encode")
		w.holds(0, "EN")

		require.NoError(w, c.Set(w.Context(), item("k", "no JSON")))
		_, err = memcache.Load(w.Context(), c, "k", memcache.JSON[user]{}, 0, nil)
		require.ErrorAs(w, err, &bad)
		require.True(w, bad.Decoding)
		var syntax *json.SyntaxError
		require.ErrorAs(w, err, &syntax)
		w.holds(0, "VA 7|no JSON")
	})
}
