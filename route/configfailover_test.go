package route

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The max_tries of the in-order policy bounds what the others call error tries: a server that is down does not count.
func TestConfigFailoverTries(t *testing.T) {
	const config = `{
		"pools": {"A": {"servers": ["a:1", "b:1", "c:1", "d:1"]}},
		"route": {"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {%s}}}`
	for _, row := range []struct {
		policy   string
		children string
		reached  int
	}{
		{`"type": "InOrderPolicy", "max_tries": 2`, "T T T T", 2},
		{`"type": "InOrderPolicy", "max_tries": 2`, "D D T F:d", 4},
		{`"type": "InOrderPolicy", "max_tries": 2, "exclude_errors": ["remote_error"]`, "T RE F:c T", 3},
		{`"type": "LeastFailuresPolicy", "max_tries": 2`, "D D T F:d", 2},
		{`"type": "DeterministicOrderPolicy", "max_tries": 4, "max_error_tries": 2`, "T T T T", 2},
		{`"type": "DeterministicOrderPolicy", "max_tries": 3, "max_error_tries": 2`, "D D D D", 3},
	} {
		list, routes := children(row.children)
		env, _ := configEnv(t)
		env.Node = func(s Server) (Route, error) { return routes[s.Addr[0]-'a'], nil }
		c, err := ParseConfig([]byte(fmt.Sprintf(config, row.policy)), "f", env)
		require.NoError(t, err, row.policy)
		op := get("k")
		do(c.Route, op)
		require.Len(t, askedChildren(list), row.reached, "%+v", row)
	}
}
