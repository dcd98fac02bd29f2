package route

import (
	"testing"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func staged(t *testing.T, opts ...memcachetest.Option) (tree Route, warm, stage *tier, wait func()) {
	warm, stage = newTier(t, opts...), newTier(t)
	b, wait := background(t)
	return built(t)(Staging(warm.node, stage.node, b)), warm, stage, wait
}

// What a get has found is added with its time and flags, if it is not there.
func TestStagingAddsWhatGetsFind(t *testing.T) {
	tree, warm, stage, wait := staged(t)
	warm.put("k", "v", 7, 1000)
	warm.put("there", "new", 0, 0)
	stage.put("there", "old", 0, 0)
	ops := gets("k", "there", "absent")
	ops[1].ForUpdate = true
	do(tree, ops...)
	wait()
	require.Equal(t, "v", string(ops[0].Value))
	require.Equal(t, protocol.Miss, status(t, ops[2]))
	require.Equal(t, "v", stage.value("k"))
	require.Equal(t, uint32(7), stage.item("k").Reply.Flags)
	require.InDelta(t, 1000, stage.item("k").Reply.TTL, 2)
	require.Equal(t, "old", stage.value("there"))
	require.Equal(t, "-", stage.value("absent"))
}

func TestStagingOfClassicText(t *testing.T) {
	tree, warm, stage, wait := staged(t, memcachetest.WithVersion("1.5.22"), memcachetest.WithoutMeta())
	do(warm.node, store(protocol.Set, "k", "v"))
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	wait()
	require.Equal(t, "-", stage.value("k"), "it might stay for ever")
}

// What warm has done, and what stage holds then, of a key that both have as "5".
func TestStagingFollowsWrites(t *testing.T) {
	for name, c := range map[string]struct {
		op    protocol.Command
		reply func(*Op) // of warm; nil: its own
		stage string
	}{
		"set":                            {protocol.Set, nil, "v"},
		"set, not stored":                {protocol.Set, says(protocol.NotStored), "5"},
		"set, perhaps stored":            {protocol.Set, timeout, "-"},
		"set, not sent":                  {protocol.Set, down, "5"},
		"add finds one":                  {protocol.Add, nil, "5"},
		"add has stored":                 {protocol.Add, says(protocol.OK), "v"},
		"replace":                        {protocol.Replace, nil, "v"},
		"compare and swap":               {CompareAndSwap, says(protocol.OK), "v"},
		"compare and swap, other CAS":    {CompareAndSwap, says(protocol.Exists), "5"},
		"append: the value is not known": {protocol.Append, nil, "-"},
		"prepend":                        {protocol.Prepend, nil, "-"},
		"increment":                      {protocol.Increment, nil, "-"},
		"increment misses":               {protocol.Increment, miss, "5"},
		"decrement":                      {protocol.Decrement, nil, "-"},
		"touch":                          {protocol.Touch, nil, "5"},
		"delete":                         {protocol.Delete, nil, "-"},
		"flush":                          {protocol.FlushAll, nil, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warm, stage, _ := staged(t)
			b, wait := background(t)
			var first Route = warm.node
			if c.reply != nil {
				first = &fake{answer: c.reply}
			}
			warm.put("k", "5", 0, 0)
			stage.put("k", "5", 0, 0)
			op := asks(c.op, "k")
			op.Request.Flags, op.Request.Exptime = 7, 100
			if c.op == protocol.FlushAll {
				op.Request = protocol.Request{Command: c.op}
			}
			do(built(t)(Staging(first, stage.node, b)), op)
			wait()
			require.Equal(t, c.stage, stage.value("k"))
			if c.stage == "v" {
				require.Equal(t, uint32(7), stage.item("k").Reply.Flags)
			}
			if c.stage == "v" || c.op == protocol.Touch {
				require.InDelta(t, 100, stage.item("k").Reply.TTL, 2)
			}
		})
	}
}

// Deletes wait for both. mcrouter answers the worse of both: for a key that only warm had, a miss.
func TestStagingDeletes(t *testing.T) {
	tree, warm, stage, _ := staged(t)
	warm.put("k", "v", 0, 0)
	require.Equal(t, protocol.OK, status(t, asked(tree, asks(protocol.Delete, "k"))))
	require.Equal(t, protocol.Miss, status(t, asked(tree, asks(protocol.Delete, "k"))))
	stage.server.Kill()
	warm.put("k", "v", 0, 0)
	require.ErrorIs(t, asked(tree, asks(protocol.Delete, "k")).Err, ErrPartialWrite)
	require.Equal(t, "-", warm.value("k"))
}

// All other ops notice nothing of a stage that is gone.
func TestStagingWithoutStage(t *testing.T) {
	tree, _, stage, wait := staged(t)
	stage.server.Kill()
	require.NoError(t, asked(tree, store(protocol.Set, "k", "v")).Err)
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	wait()
	warm, r := fakes(down, nil)
	b, wait := background(t)
	require.Error(t, asked(built(t)(Staging(r[0], r[1], b)), get("k")).Err, "stage answers nobody")
	wait()
	require.Empty(t, warm[1].seen)
}
