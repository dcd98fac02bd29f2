package fetchers

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

// A node does some hundred thousand ops a second; a watcher must keep up with its log.
func BenchmarkTake(b *testing.B) {
	s, text := benchStream(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s.take(text)
	}
}

func benchStream(t testing.TB) (*stream, []byte) {
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	w, err := New("node:1", d.NewSampler(), Options{})
	require.NoError(t, err)
	text := []byte("ts=1795256252.505721 gid=5 type=item_get key=user%3A1234567 status=found clsid=1 cfd=13 size=500")
	return newStream(nil, w), text
}
