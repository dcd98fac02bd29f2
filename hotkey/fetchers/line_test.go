package fetchers

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       line
		key        string
	}{
		{"hit", "ts=1795256252.505721 gid=5 type=item_get key=foo status=found clsid=1 cfd=13 size=5",
			line{kind: look, found: true, size: 5, cfd: 13}, "foo"},
		{"miss", "ts=1.2 gid=7 type=item_get key=bar status=not_found clsid=0 cfd=13 size=0", line{kind: look, cfd: 13}, "bar"},
		{"flushed is a miss", "type=item_get key=bar status=flushed cfd=13 size=5", line{kind: look, cfd: 13, size: 5}, "bar"},
		{"expired is a miss", "type=item_get key=bar status=expired cfd=13 size=5", line{kind: look, cfd: 13, size: 5}, "bar"},
		{"key with escapes", "type=item_get key=%00%C3%BC%25%2b status=found cfd=1 size=1",
			line{kind: look, found: true, cfd: 1, size: 1}, "\x00ü%+"},
		{"store", "ts=1.2 gid=4 type=item_store key=foo status=stored cmd=set ttl=0 clsid=1 cfd=13 size=5",
			line{kind: store, cfd: 13, size: 5}, "foo"},
		{"fields to come", "type=item_get key=k status=found cfd=2 size=3 mystery=9 empty=",
			line{kind: look, found: true, cfd: 2, size: 3}, "k"},
		{"no size, as before 1.6", "type=item_get key=k status=found cfd=2", line{kind: look, found: true, cfd: 2}, "k"},
		{"two spaces", "type=item_get  key=k status=found cfd=2", line{kind: look, found: true, cfd: 2}, "k"},
		{"new connection", "ts=1.2 gid=2 type=conn_new rip=127.0.0.1 rport=59100 transport=tcp cfd=14",
			line{kind: connected, cfd: 14, client: netip.MustParseAddrPort("127.0.0.1:59100")}, ""},
		{"new connection, IPv6", "type=conn_new rip=::1 rport=59100 transport=tcp cfd=14",
			line{kind: connected, cfd: 14, client: netip.MustParseAddrPort("[::1]:59100")}, ""},
		{"new connection, unix", "type=conn_new rip=unix rport=0 transport=local cfd=14", line{kind: connected, cfd: 14}, ""},
		{"closed connection", "type=conn_close rip=127.0.0.1 rport=59100 transport=tcp reason=normal cfd=14",
			line{kind: closed, cfd: 14}, ""},
		{"skipped", "skipped=18446744073709551615", line{kind: skipped, skipped: 1<<64 - 1}, ""},
		{"something else", "ts=1.2 gid=9 type=eviction key=foo fetch=yes ttl=-1", line{kind: other}, "foo"},
		{"longest key", "type=item_get key=" + strings.Repeat("%ff", 250) + " status=found cfd=1", line{kind: look, found: true, cfd: 1},
			strings.Repeat("\xff", 250)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got line
			require.NoError(t, got.parse([]byte(tt.text)))
			require.Equal(t, tt.key, string(got.key))
			got.key, got.scratch = nil, [maxKey]byte{}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no fields":          "OK",
		"no key":             "type=item_get status=found cfd=1",
		"no status":          "type=item_get key=k cfd=1",
		"no connection":      "type=item_get key=k status=found",
		"empty key":          "type=item_get key= status=found cfd=1",
		"long key":           "type=item_get key=" + strings.Repeat("k", 251) + " status=found cfd=1",
		"half an escape":     "type=item_get key=a%4 status=found cfd=1",
		"no hex":             "type=item_get key=a%zz status=found cfd=1",
		"negative size":      "type=item_get key=k status=found cfd=1 size=-1",
		"huge size":          "type=item_get key=k status=found cfd=1 size=99999999999",
		"a word":             "type=item_get key=k status=found cfd=x",
		"skipped what":       "skipped=many",
		"error of memcached": "ERROR",
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, new(line).parse([]byte(text))) })
	}
	require.NoError(t, new(line).parse(nil), "an empty line says nothing wrong")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("ts=1795256252.505721 gid=5 type=item_get key=f%6fo status=found clsid=1 cfd=13 size=5"))
	f.Add([]byte("type=item_store key=%25 status=stored cmd=set ttl=0 clsid=1 cfd=13 size=5"))
	f.Add([]byte("type=conn_new rip=::1 rport=99999 cfd=1"))
	f.Add([]byte("skipped=1 type=item_get"))
	f.Add([]byte("type=item_get key=%"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l, again line
		if l.parse(text) != nil {
			return
		}
		require.LessOrEqual(t, len(l.key), maxKey)
		require.GreaterOrEqual(t, l.size, 0)
		if l.kind != look && l.kind != store {
			return
		}
		require.NotEmpty(t, l.key)
		var escaped strings.Builder
		for _, b := range l.key {
			fmt.Fprintf(&escaped, "%%%02X", b)
		}
		status := map[bool]string{true: "found", false: "expired"}[l.found]
		same := fmt.Sprintf("cfd=%d size=%d key=%s status=%s type=item_get", l.cfd, l.size, escaped.String(), status)
		require.NoError(t, again.parse([]byte(same)))
		require.Equal(t, string(l.key), string(again.key))
		require.Equal(t, l.found, again.found)
	})
}
