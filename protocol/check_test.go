package protocol_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

const secret = "s3cret" // stands where personal data could; no error may show it

// TestCheckRefuses lists what memcached would read as something else, or would take and not do.
func TestCheckRefuses(t *testing.T) {
	type req = protocol.Request
	rows := []struct {
		name    string
		request req
		err     error
	}{
		{"no command", req{Key: secret}, protocol.ErrInvalidRequest},
		{"unknown command", req{Command: protocol.Auth + 1, Key: secret}, protocol.ErrInvalidRequest},

		{"injection by key", req{Command: protocol.Get, Key: secret + "\r\nset evil 0 0 1\r\n1"}, protocol.ErrKeyBytes},
		{"second key", req{Command: protocol.Delete, Key: secret + " 0"}, protocol.ErrKeyBytes},
		{"flag by key", req{Command: protocol.Set, Key: secret + " I"}, protocol.ErrKeyBytes},
		{"debug without a key", req{Command: protocol.Debug}, protocol.ErrKeyEmpty},
		{"long key", req{Command: protocol.Touch, Key: strings.Repeat("k", 251)}, protocol.ErrKeyTooLong},
		{"long binary key", req{Command: protocol.Touch, Key: strings.Repeat("k", 187), Meta: protocol.BinaryKey}, protocol.ErrKeyTooLong},

		{"injection by stats group", req{Command: protocol.Stats, Key: secret + "\r\nflush_all"}, protocol.ErrInvalidRequest},
		{"tab in stats group", req{Command: protocol.Stats, Key: secret + "\titems"}, protocol.ErrInvalidRequest},
		{"leading space in stats group", req{Command: protocol.Stats, Key: " items"}, protocol.ErrInvalidRequest},
		{"trailing space in stats group", req{Command: protocol.Stats, Key: "items "}, protocol.ErrInvalidRequest},
		{"two spaces in stats group", req{Command: protocol.Stats, Key: "a  b"}, protocol.ErrInvalidRequest},
		{"stats line of 2048 bytes", req{Command: protocol.Stats, Key: strings.Repeat("k", 2048)}, protocol.ErrInvalidRequest},
		{"stats with another kind of lines", req{Command: protocol.Stats, Key: "cachedump 1 10"}, protocol.ErrInvalidRequest},
		{"stats without an end", req{Command: protocol.Stats, Key: "sizes_enable"}, protocol.ErrInvalidRequest},
		{"stats detail", req{Command: protocol.Stats, Key: "detail"}, protocol.ErrInvalidRequest},

		{"auth without password", req{Command: protocol.Auth, Value: []byte("user")}, protocol.ErrInvalidRequest},
		{"auth with empty password", req{Command: protocol.Auth, Value: []byte("user ")}, protocol.ErrInvalidRequest},
		{"auth without user", req{Command: protocol.Auth, Value: []byte(" " + secret)}, protocol.ErrInvalidRequest},
		{"auth with CR LF", req{Command: protocol.Auth, Value: []byte("user " + secret + "\r\n")}, protocol.ErrInvalidRequest},
		{"auth with NUL", req{Command: protocol.Auth, Value: []byte("user " + secret + "\x00")}, protocol.ErrInvalidRequest},
		{"long auth", req{Command: protocol.Auth, Value: []byte("user " + strings.Repeat(secret, 200))}, protocol.ErrInvalidRequest},

		{"negative exptime", req{Command: protocol.Set, Key: "k", Exptime: -1}, protocol.ErrInvalidTTL},
		{"exptime of 32 bits", req{Command: protocol.Set, Key: "k", Exptime: math.MaxInt32 + 1}, protocol.ErrInvalidTTL},
		{"negative touch", req{Command: protocol.Touch, Key: "k", Exptime: -1}, protocol.ErrInvalidTTL},
		{"negative flush delay", req{Command: protocol.FlushAll, Exptime: -1}, protocol.ErrInvalidTTL},
		{"negative vivify", req{Command: protocol.Get, Key: "k", Meta: protocol.Vivify, VivifyTTL: -1}, protocol.ErrInvalidTTL},
		{"vivify of 32 bits", req{Command: protocol.Get, Key: "k", Meta: protocol.Vivify, VivifyTTL: math.MaxInt32 + 1}, protocol.ErrInvalidTTL},
		{"negative recache", req{Command: protocol.Get, Key: "k", Meta: protocol.Recache, RecacheTTL: -1}, protocol.ErrInvalidRequest},
		{"recache read as a date", req{Command: protocol.Get, Key: "k", Meta: protocol.Recache, RecacheTTL: 30*24*3600 + 1}, protocol.ErrInvalidRequest},

		{"append ignores C0", req{Command: protocol.Append, Key: "k", Meta: protocol.Compare}, protocol.ErrInvalidRequest},
		{"prepend ignores C0", req{Command: protocol.Prepend, Key: "k", Meta: protocol.Compare}, protocol.ErrInvalidRequest},
		{"increment ignores C0", req{Command: protocol.Increment, Key: "k", Meta: protocol.Compare}, protocol.ErrInvalidRequest},
		{"J without N", req{Command: protocol.Increment, Key: "k", Meta: protocol.WithInitial}, protocol.ErrInvalidRequest},
		{"ms I without C", req{Command: protocol.Set, Key: "k", Meta: protocol.Invalidate}, protocol.ErrInvalidRequest},
		{"mg E without N", req{Command: protocol.Get, Key: "k", Meta: protocol.ExplicitCAS}, protocol.ErrInvalidRequest},
		{"md E without I or x", req{Command: protocol.Delete, Key: "k", Meta: protocol.ExplicitCAS}, protocol.ErrInvalidRequest},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			err := protocol.Check(&row.request)
			require.ErrorIs(t, err, row.err)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestCheckAllows(t *testing.T) {
	type req = protocol.Request
	rows := map[string]req{
		"250-byte key":         {Command: protocol.Get, Key: strings.Repeat("k", 250)},
		"UTF-8 key":            {Command: protocol.Get, Key: "é漢"},
		"186-byte binary key":  {Command: protocol.Get, Key: strings.Repeat("\r", 186), Meta: protocol.BinaryKey},
		"last exptime":         {Command: protocol.Set, Key: "k", Exptime: math.MaxInt32},
		"stats group of words": {Command: protocol.Stats, Key: "items 5"},
		"general stats":        {Command: protocol.Stats},
		"auth":                 {Command: protocol.Auth, Value: []byte("user pass with spaces")},
		"delayed flush":        {Command: protocol.FlushAll, Exptime: 5},
		"cas 0 of a set":       {Command: protocol.Set, Key: "k", Meta: protocol.Compare},
		"recache of 30 days":   {Command: protocol.Get, Key: "k", Meta: protocol.Recache, RecacheTTL: 30 * 24 * 3600},
		"tombstone":            {Command: protocol.Delete, Key: "k", Meta: protocol.RemoveValue | protocol.ExplicitCAS},
		"key without use":      {Command: protocol.Noop, Key: "ignored\r\n"},
	}
	for name, r := range rows {
		require.NoError(t, protocol.Check(&r), name)
	}
}

func TestCheckKey(t *testing.T) {
	rows := []struct {
		name, key string
		plain     error
		binary    error
	}{
		{"empty", "", protocol.ErrKeyEmpty, protocol.ErrKeyEmpty},
		{"one byte", "k", nil, nil},
		{"186 bytes", strings.Repeat("k", 186), nil, nil},
		{"187 bytes", strings.Repeat("k", 187), nil, protocol.ErrKeyTooLong},
		{"250 bytes", strings.Repeat("k", 250), nil, protocol.ErrKeyTooLong},
		{"251 bytes", strings.Repeat("k", 251), protocol.ErrKeyTooLong, protocol.ErrKeyTooLong},
		{"space", "a b", protocol.ErrKeyBytes, nil},
		{"space at the end", "a ", protocol.ErrKeyBytes, nil},
		{"bytes from 0x80", "\x80\xff", nil, nil},
		{"printable ASCII", "!~", nil, nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			require.Equal(t, row.plain, protocol.CheckKey(row.key))
			require.Equal(t, row.binary, protocol.CheckBinaryKey(row.key))
			if row.plain != nil {
				require.ErrorIs(t, row.plain, protocol.ErrMalformedKey)
			}
		})
	}
	for b := range 256 {
		bad := b <= ' ' || b == 0x7f
		require.Equal(t, bad, protocol.CheckKey("a"+string([]byte{byte(b)})) != nil, "byte %#x", b)
	}
}

func TestKeyErrorsAreNotRequestErrors(t *testing.T) {
	require.NotErrorIs(t, protocol.ErrKeyEmpty, protocol.ErrInvalidRequest)
	require.NotErrorIs(t, protocol.Check(&protocol.Request{}), protocol.ErrMalformedKey)
}

func TestMutates(t *testing.T) {
	reads := []protocol.Command{protocol.Get, protocol.Noop, protocol.Version, protocol.Stats, protocol.Debug, protocol.Auth}
	for c := protocol.Get; c <= protocol.Auth; c++ {
		r := protocol.Request{Command: c}
		require.Equal(t, c.Mutates(), r.Mutates())
		require.Equal(t, !slices.Contains(reads, c), c.Mutates(), c.String())
	}
	for _, f := range []protocol.MetaFlags{protocol.Vivify, protocol.Recache, protocol.UpdateTTL} {
		r := protocol.Request{Command: protocol.Get, Meta: f | protocol.ReturnValue}
		require.True(t, r.Mutates())
	}
}

func TestCommandNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := protocol.Get; c <= protocol.Auth; c++ {
		require.NotEqual(t, "unknown", c.String())
		require.False(t, seen[c.String()])
		seen[c.String()] = true
	}
	require.Equal(t, "unknown", protocol.Command(0).String())
	require.Equal(t, "unknown", protocol.Command(255).String())
}
