package vectors

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadGivesWholeConversations(t *testing.T) {
	seen := make(map[string]bool)
	for _, v := range Load() {
		require.False(t, seen[v.ID], v.ID)
		seen[v.ID] = true
		require.NotEmpty(t, v.Group, v.ID)
		require.NotEmpty(t, v.Steps, v.ID)
		require.Equal(t, v.InSync == nil, v.Probe == nil, v.ID)
		for version, o := range v.OtherVersions {
			require.NotEmpty(t, o.Recv, "%s on %s", v.ID, version)
		}
	}
	require.Len(t, seen, 250)
}

func TestTextDecodesBytesAndFills(t *testing.T) {
	rows := []struct{ name, in, want string }{
		{"plain", `"get a\r\n"`, "get a\r\n"},
		{"byte above 127", `"\u0080\u00ff"`, "\x80\xff"},
		{"run of one byte", `["<", {"fill": "x", "n": 3}, ">"]`, "<xxx>"},
		{"long run", `[{"fill": "k", "n": 251}]`, strings.Repeat("k", 251)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var got text
			require.NoError(t, json.Unmarshal([]byte(row.in), &got))
			require.Equal(t, row.want, string(got))
		})
	}
}

func TestTextRefusesWhatIsNoByte(t *testing.T) {
	var got text
	require.Error(t, json.Unmarshal([]byte(`"\u0100"`), &got))
}
