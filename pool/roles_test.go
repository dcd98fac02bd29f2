package pool

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// sealed returns a value of the given size, at least 40 bytes, that tells its key and carries a checksum.
func sealed(key string, size int) []byte {
	v := make([]byte, 0, size)
	v = append(v, key...)
	v = append(v, ' ')
	for len(v) < size-8 {
		v = append(v, byte('a'+len(v)%26))
	}
	return fmt.Appendf(v, "%08x", crc32.ChecksumIEEE(v))
}

// checkSealed returns what is wrong with v as a value of key.
func checkSealed(key string, v []byte) error {
	switch {
	case !bytes.HasPrefix(v, append([]byte(key), ' ')):
		return fmt.Errorf("value of another key: %q", v[:min(len(v), 40)])
	case len(v) < 9:
		return fmt.Errorf("short value: %q", v)
	}
	body, sum := v[:len(v)-8], v[len(v)-8:]
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)); want != string(sum) {
		return fmt.Errorf("torn value of %d bytes: checksum %s, not %s", len(v), sum, want)
	}
	return nil
}

// TestCallersGetTheirOwnValues has callers share one connection, more of them than it may owe replies.
func TestCallersGetTheirOwnValues(t *testing.T) {
	real, fake := realnode.Start(t).Addr, startFake(t).Addr()
	for _, callers := range []int{1, 2, 8, 64, 1500} {
		for name, addr := range map[string]string{"memcached": real, "memcachetest": fake} {
			t.Run(fmt.Sprintf("%d/%s", callers, name), func(t *testing.T) {
				n := newTestNode(t, patient(addr))
				rounds := max(1, 600/callers)
				together(t, callers, func(i int) error { return mixedTraffic(n, i, rounds) })
				requireKept(t, n)
				require.Zero(t, n.Stats().Owed)
			})
		}
	}
}

// together runs f on several goroutines and fails the test with their errors.
func together(t testing.TB, goroutines int, f func(i int) error) {
	t.Helper()
	errs := make([]error, goroutines)
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// mixedTraffic sets, reads and deletes the caller's own keys and finds in each reply what it expects.
func mixedTraffic(n *Node, caller, rounds int) error {
	ctx := context.Background()
	for round := range rounds {
		key := fmt.Sprintf("c%d-%d", caller, round%5)
		value := sealed(key, 40+round%200)
		if op := set(ctx, n, key, string(value)); op.Err != nil || op.Reply.Status != protocol.OK {
			return fmt.Errorf("set: %d, %w", op.Reply.Status, op.Err)
		}
		op := get(ctx, n, key)
		if op.Err != nil || !bytes.Equal(op.Value, value) {
			return fmt.Errorf("get %s: %q, %w", key, op.Value, op.Err)
		}
		if op := get(ctx, n, key+"-not"); op.Err != nil || op.Reply.Status != protocol.Miss {
			return fmt.Errorf("get of nothing: %d, %w", op.Reply.Status, op.Err)
		}
		if op := do(ctx, n, protocol.Request{Command: protocol.Delete, Key: key}); op.Err != nil || op.Reply.Status != protocol.OK {
			return fmt.Errorf("delete: %d, %w", op.Reply.Status, op.Err)
		}
	}
	return nil
}

// TestBatchesOfAnySize covers batches that need more replies or bytes than a connection may owe, and more than one line.
func TestBatchesOfAnySize(t *testing.T) {
	addr := realnode.Start(t).Addr
	limits := map[string]Config{
		"defaults":           {},
		"3 replies owed":     {MaxOwed: 3},
		"2000 bytes queued":  {MaxQueued: 2000},
		"1 byte queued":      {MaxQueued: 1},
		"three connections":  {Conns: 3, MaxOwed: 50},
		"more than the ring": {MaxOwed: 1 << 20},
	}
	for name, limit := range limits {
		t.Run(name, func(t *testing.T) {
			limit.Addr, limit.Timeout, limit.DialTimeout = addr, 20*time.Second, 20*time.Second
			n := newTestNode(t, limit)
			for _, size := range []int{1, 100, 101, 1025, 2100} {
				writeAndRead(t, n, size)
			}
			require.Equal(t, uint64(n.Stats().Conns), n.Stats().Dials)
		})
	}
}

func TestOneReplyOwedAtATime(t *testing.T) {
	n := newTestNode(t, Config{Addr: realnode.Start(t).Addr, MaxOwed: 1, Timeout: 20 * time.Second})
	writeAndRead(t, n, 101)
	together(t, 20, func(i int) error { return mixedTraffic(n, i, 5) })
}

// writeAndRead stores every second of size keys and reads all.
func writeAndRead(t *testing.T, n *Node, size int) {
	require.NoError(t, do(t.Context(), n, protocol.Request{Command: protocol.FlushAll}).Err)
	ops := make([]*Op, size)
	for i := range ops {
		key := fmt.Sprintf("b%d-%d", size, i)
		ops[i] = &Op{Hash: uint64(i), Request: protocol.Request{Command: protocol.Set, Key: key, Value: sealed(key, 60)}}
		if i%2 == 1 {
			ops[i].Request.Command = protocol.Delete
		}
	}
	n.Do(t.Context(), ops)
	for i, op := range ops {
		require.NoError(t, op.Err)
		op.Request.Command, op.Request.Value = protocol.Get, nil
		require.Equal(t, []protocol.Status{protocol.OK, protocol.Miss}[i%2], op.Reply.Status)
	}
	n.Do(t.Context(), ops)
	for i, op := range ops {
		require.NoError(t, op.Err)
		require.Equal(t, i%2 == 0, op.Reply.Status == protocol.OK)
		if i%2 == 0 {
			require.NoError(t, checkSealed(op.Request.Key, op.Value))
		}
	}
}

func TestNodesWorkAtOnce(t *testing.T) {
	nodes := []*Node{}
	for range 3 {
		nodes = append(nodes, newTestNode(t, patient(realnode.Start(t).Addr)))
	}
	for i, n := range nodes {
		mustSet(t, n, "k", strconv.Itoa(i))
	}
	together(t, 16, func(int) error {
		for range 50 {
			batches := [][]*Op{getOps("k", "none"), getOps("k", "none"), getOps("k", "none")}
			for i, n := range nodes {
				n.Begin(context.Background(), batches[i])
			}
			for i, n := range nodes {
				n.Flush(batches[i])
			}
			for i, n := range nodes {
				n.Wait(context.Background(), batches[i])
			}
			for i := range nodes {
				if b := batches[i]; string(b[0].Value) != strconv.Itoa(i) || b[1].Reply.Status != protocol.Miss || b[1].Err != nil {
					return fmt.Errorf("node %d: %q, %v, %v", i, b[0].Value, b[0].Err, b[1].Err)
				}
			}
		}
		return nil
	})
}

// edgeSizes are around every size at which a value is read in another way.
func edgeSizes() []int {
	sizes := []int{1 << 20}
	for _, edge := range []int{0, tailSize, maxKeptBuf, directSize, directSize + tailSize, minReadBuf,
		2 * minReadBuf, maxReadBuf, maxReadBuf + tailSize, growAhead, growAhead + tailSize, 2 * growAhead, 3 * growAhead} {
		for d := -3; d <= 3; d++ {
			sizes = append(sizes, max(edge+d, 40))
		}
		sizes = append(sizes, max(edge-60, 40), max(edge-30, 40)) // the reply's line included
	}
	return sizes
}

// TestValuesOfEverySize reads large values as the reader's own and as others', into memory of the caller's and of its own.
func TestValuesOfEverySize(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t, "-I", "2m").Addr))
	sizes := edgeSizes()
	for _, size := range sizes {
		mustSet(t, n, strconv.Itoa(size), string(sealed(strconv.Itoa(size), size)))
	}
	t.Run("alone", func(t *testing.T) {
		for _, size := range sizes {
			for _, dst := range destinations(size) {
				require.NoError(t, readSealed(n, size, dst))
			}
		}
	})
	t.Run("shared", func(t *testing.T) {
		together(t, 24, func(i int) error {
			rnd := rand.New(rand.NewPCG(7, uint64(i)))
			for range 60 {
				size := sizes[rnd.IntN(len(sizes))]
				all := destinations(size)
				if err := readSealed(n, size, all[rnd.IntN(len(all))]); err != nil {
					return err
				}
			}
			return nil
		})
	})
	t.Run("batch", func(t *testing.T) {
		together(t, 3, func(int) error { return readAllSealed(n, sizes) })
	})
	requireKept(t, n)
}

// destinations are the kinds of memory that a caller can give for a value of size bytes.
func destinations(size int) [][]byte {
	return [][]byte{nil, {}, []byte("before"), make([]byte, 0, size), append(make([]byte, 0, size+100), "before"...),
		append(make([]byte, 0, size/2), "before"...)}
}

func readSealed(n *Node, size int, dst []byte) error {
	before := string(dst)
	op := &Op{Dst: dst, Request: protocol.Request{Command: protocol.Get, Key: strconv.Itoa(size)}}
	n.Do(context.Background(), []*Op{op})
	if op.Err != nil {
		return op.Err
	}
	value, ok := bytes.CutPrefix(op.Value, []byte(before))
	if !ok || len(value) != size {
		return fmt.Errorf("size %d, dst %d of %d: got %d bytes", size, len(dst), cap(dst), len(op.Value))
	}
	return checkSealed(op.Request.Key, value)
}

func readAllSealed(n *Node, sizes []int) error {
	var ops []*Op
	for _, size := range sizes {
		ops = append(ops, getOps(strconv.Itoa(size), "none")...)
	}
	n.Do(context.Background(), ops)
	for _, op := range ops {
		switch {
		case op.Err != nil:
			return op.Err
		case op.Request.Key == "none" && op.Reply.Status != protocol.Miss:
			return fmt.Errorf("none: %d", op.Reply.Status)
		case op.Request.Key != "none":
			if err := checkSealed(op.Request.Key, op.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// A value that the caller gets is its own: nothing that comes later may change it.
func TestValuesAreNotSharedWithLaterReads(t *testing.T) {
	n := newTestNode(t, pipeConfig(startFake(t, memcachetest.WithPipe())))
	var held []*Op
	for i := range 200 {
		key := "k" + strconv.Itoa(i)
		mustSet(t, n, key, strings.Repeat(string(rune('a'+i%26)), 1+i*97))
		held = append(held, get(t.Context(), n, key))
	}
	for i, op := range held {
		requireHit(t, op, strings.Repeat(string(rune('a'+i%26)), 1+i*97))
	}
}
