package route

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/nohop/memcache/protocol"
)

// KeyChange says how ModifyKey changes keys. It applies to what follows a routing prefix, "/region/cluster/".
type KeyChange struct {
	RoutingPrefix *string // put in the place of the key's own; a pointer to "" takes it away
	Prefix        string  // put before keys that do not begin with it
	Replace       string  // a beginning that Prefix is put in the place of
	Suffix        string  // put behind every key
}

// ErrKeyChange means that a KeyChange makes no sense.
var ErrKeyChange = errors.New("memcache: change of keys")

type modifyKey struct {
	change KeyChange
	child  Route
}

// ModifyKey has child serve each op under a changed key. A key that the change makes too long, or malformed, is
// refused.
func ModifyKey(change KeyChange, child Route) (Route, error) {
	switch {
	case change.Replace != "" && change.Prefix == "":
		return nil, errors.Join(ErrKeyChange, errors.New("memcache: a beginning is to be replaced, but by what?"))
	case change.RoutingPrefix != nil && *change.RoutingPrefix != "" && !isRoutingPrefix(*change.RoutingPrefix):
		return nil, errors.Join(ErrKeyChange, ErrRoutingPrefix)
	case protocol.CheckKey("k"+change.Prefix+change.Suffix) != nil:
		return nil, errors.Join(ErrKeyChange, protocol.ErrMalformedKey)
	}
	return &modifyKey{change, child}, nil
}

func (m *modifyKey) Do(ctx context.Context, ops []*Op) { rewrite(ctx, ops, m.modify) }

func (m *modifyKey) modify(op *Op) (Route, error) {
	setKey(op, m.change.apply(op.Request.Key))
	return m.child, protocol.Check(&op.Request)
}

func (c *KeyChange) apply(key string) string {
	routing, rest := splitRoutingPrefix(key)
	if c.RoutingPrefix != nil {
		routing = *c.RoutingPrefix
	}
	if c.Replace != "" && strings.HasPrefix(rest, c.Replace) {
		rest = c.Prefix + rest[len(c.Replace):]
	} else if !strings.HasPrefix(rest, c.Prefix) {
		rest = c.Prefix + rest
	}
	return routing + rest + c.Suffix
}

func (m *modifyKey) Explain(op *Op) Step {
	return Step{
		Route: "modify key", Why: "the key becomes " + strconv.Quote(m.change.apply(op.Request.Key)),
		Next: []Step{explainRewritten(op, m.modify)},
	}
}
