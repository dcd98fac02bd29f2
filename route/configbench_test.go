package route

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the tree of the origin's file adds to a get, and what a large file takes to read.
func BenchmarkRouteConfig(b *testing.B) {
	b.Run("get by the origin's tree", func(b *testing.B) {
		c := loaded(b, "origin.json", configEnvOf(b, func(Server) (Route, error) { return &leaf{}, nil }))
		ops := gets("k")
		b.ReportAllocs()
		for b.Loop() {
			c.Route.Do(b.Context(), ops)
		}
	})
	b.Run("read 100 pools of 100 servers", func(b *testing.B) {
		var pools, children []string
		for i := range 100 {
			servers := make([]string, 100)
			for j := range servers {
				servers[j] = fmt.Sprintf(`"10.0.%d.%d:11211"`, i, j)
			}
			pools = append(pools, fmt.Sprintf(`"p%d": {"servers": [%s]}`, i, strings.Join(servers, ",")))
			children = append(children, fmt.Sprintf(`"PoolRoute|p%d"`, i))
		}
		config := fmt.Sprintf(`{"pools": {%s}, "route": {"type": "AllSyncRoute", "children": [%s]}}`,
			strings.Join(pools, ","), strings.Join(children, ","))
		env := configEnvOf(b, func(Server) (Route, error) { return &leaf{}, nil })
		b.ReportAllocs()
		for b.Loop() {
			_, err := ParseConfig([]byte(config), "f", env)
			require.NoError(b, err)
		}
	})
}
