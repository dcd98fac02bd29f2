package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/protocol"
)

func TestDialectOf(t *testing.T) {
	rows := []struct {
		version string
		want    protocol.Dialect
	}{
		{"1.4.39", protocol.Text},
		{"1.5.22", protocol.Text},
		{"1.6.9", protocol.Text},  // says OK for HD
		{"1.6.12", protocol.Text}, // md C answers EX to a match
		{"1.6.13", protocol.MetaBasic},
		{"1.6.17", protocol.MetaBasic},
		{"1.6.18", protocol.Meta},
		{"1.6.18_beta-3", protocol.Meta},
		{"1.6.26", protocol.Meta},
		{"1.6.27", protocol.MetaExCAS},
		{"1.6.39", protocol.MetaExCAS},
		{"1.6.40", protocol.MetaCondGet},
		{"1.6.45", protocol.MetaCondGet},
		{"1.6.100", protocol.MetaCondGet},
		{"1.7.0", protocol.MetaCondGet},
		{"1.10.0", protocol.MetaCondGet},
		{"1.6.0-beta1", protocol.Text},
		{"0.5.0", protocol.Text},        // a program that numbers itself
		{"14.0.1.Final", protocol.Text}, // a data grid with a classic connector
		{"2.0.0", protocol.Text},
		{"", protocol.Text},
		{"1.6", protocol.Text},
		{"1.6.", protocol.Text},
		{"1.6.x", protocol.Text},
		{"v1.6.18", protocol.Text},
		{"-1.6.18", protocol.Text},
		{"1.6.99999999999999999999", protocol.Text},
		{"mcrouter 1.0", protocol.Text},
	}
	for _, row := range rows {
		require.Equal(t, row.want, protocol.DialectOf(row.version), "%q", row.version)
	}
}

func TestDialectNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range allDialects {
		require.False(t, seen[d.String()])
		seen[d.String()] = true
		require.Equal(t, d >= protocol.MetaBasic, d.HasMeta())
	}
	require.Equal(t, "unknown", protocol.Dialect(200).String())
}
