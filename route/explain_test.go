package route

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	var members []Member
	for _, name := range []string{"a", "b", "c"} {
		n := pool.NewNode(pool.Config{Name: name, Addr: "127.0.0.1:1"})
		defer n.Close()
		members = append(members, Member{Route: n, Name: name})
	}
	p := NewRules(slots(t, members, 2, ""), map[string]Replicas{"hot": {All: []Route{members[2].Route}}})
	read := Failover(p)
	tree := ByOperation(AllSync(p), map[protocol.Command]Route{
		protocol.Get: read, protocol.Add: AtHome(p), protocol.GetAndTouch: GetAndTouch(AllSync(p), read),
	})
	for _, row := range []struct {
		op   *Op
		want string
	}{
		{get("k"), `
by operation: get
  failover: slot 12532 of 16384
    node c (idle)
    node b (idle)
`}, {store(protocol.Set, "k", "v"), `
by operation: set
  all-sync: slot 12532 of 16384
    node c (idle)
    node b (idle)
`}, {store(protocol.Add, "k", "v"), `
by operation: add
  at home: slot 12532 of 16384
    node c (idle)
    clear: if the home has changed the item
      node b (idle)
`}, {get("hot"), `
by operation: get
  failover: a rule for this key
    node c (idle)
`}, {asks(GetForUpdate, "k"), `
by operation: get-for-update
  failover: slot 12532 of 16384
    node c (idle)
`}} {
		require.Equal(t, strings.TrimPrefix(row.want, "\n"), Explain(tree, row.op).String())
	}
	text, err := json.Marshal(Explain(Hash(p), get("k")))
	require.NoError(t, err)
	require.JSONEq(t, `{"route":"hash","why":"slot 12532 of 16384","next":[{"route":"node","name":"c","state":"idle"}]}`, string(text))
	require.Equal(t, "route.fake\n", Explain(&fake{}, get("k")).String())
}
