package route

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files of configurations")

// goldenKeys are the keys that a configuration's golden file explains, besides "user:1".
var goldenKeys = map[string][]string{
	"choices.json":        {"random:1", "host:1", "host-salted:1", "latest:1", "balanced:1"},
	"hash-functions.json": {"ch3:1", "crc32:1", "const:2:x", "weighted:1", "rendezvous:1", "weighted-rendezvous:1", "latest:1", "balanced:1", "x"},
	"key-parse.json":      {"user:1:name", "user:1:photo", "post:1:name", "post:1:photo"},
	"key-split.json":      {"hot:1", "hot:1|#|x", "warm:1"},
	"modify.json":         {"old:1", "forever:1"},
	"prefixes.json":       {"a", "ac", "abc", "o"},
	"routes.json":         {"/east/old/k", "/west/main/k", "/*/*/k", "/no/where/k"},
	"routes-by-name.json": {"/west/main/k", "/west/*/k"},
	"salted.json":         {"post:1"},
	"shadow.json":         {"user:2", "user:3", "user:4"},
}

func configFiles(t testing.TB) []string {
	paths, err := filepath.Glob(filepath.Join(configDir, "*.json"))
	require.NoError(t, err)
	require.Greater(t, len(paths), 25)
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = filepath.Base(p)
	}
	return names
}

// Each configuration becomes the tree that its golden file shows. go test -run Configurations -update ./route writes them.
func TestConfigurations(t *testing.T) {
	for _, name := range configFiles(t) {
		t.Run(name, func(t *testing.T) {
			c := loaded(t, name, leafEnv(t))
			tree := explained(c, append([]string{"user:1"}, goldenKeys[name]...))
			golden := filepath.Join(configDir, strings.TrimSuffix(name, ".json")+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(tree), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), tree)
			serveAll(c)
		})
	}
}

// explained says how ops would travel, which servers there are, and what has no effect. What is alike is said once.
func explained(c *Config, keys []string) string {
	var text strings.Builder
	for _, key := range keys {
		for _, operation := range []protocol.Command{protocol.Get, protocol.Set, protocol.Add, protocol.Delete, GetForUpdate, protocol.Touch} {
			step := Explain(c.Route, asks(operation, key)).String()
			fmt.Fprintf(&text, "%s %s\n  %s\n", policyName(operation), key, strings.ReplaceAll(strings.TrimSpace(step), "\n", "\n  "))
		}
		text.WriteString("\n")
	}
	for _, s := range c.Servers {
		fmt.Fprintf(&text, "server %+v\n", s)
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(&text, "warning %v\n", w)
	}
	return text.String()
}

// All handles that can be built are in some configuration.
func TestConfigFilesHaveEveryHandle(t *testing.T) {
	var all strings.Builder
	for _, name := range configFiles(t) {
		all.Write(readConfig(t, name))
	}
	for kind := range handleTypes {
		require.True(t, strings.Contains(all.String(), kind), kind)
	}
}
