package history

import (
	"bufio"
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func create(t *testing.T) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history")
	w, err := Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	return w, path
}

func TestFilesMerge(t *testing.T) {
	ops := []Op{
		{
			Client: 3, Command: CompareAndSwap, Key: "k", Value: NewValue(3, 7), Old: NewValue(2, 1), Call: 1000, Return: 2000,
			Outcome: Partial, Nodes: []NodeOutcome{{"x:1", Ambiguous}, {"y:1", NotSent}}, ViewAge: time.Hour,
		},
		{Client: 4, Command: Get, Key: "k", Value: Torn, Call: 1500, Return: 2500, Outcome: OK, Node: "x:1"},
	}
	event := Event{Kind: Death, Client: 3, Node: "x:1", Start: 3000, End: Never, Text: "kill -9"}
	dump := Dump{"x:1", "k", NewValue(3, 7), 4000}

	first, firstPath := create(t)
	require.NoError(t, first.Begin(&ops[0]))
	require.NoError(t, first.End(&ops[0]))
	require.NoError(t, first.Close())
	second, secondPath := create(t)
	require.NoError(t, second.End(&ops[1]))
	require.NoError(t, second.Event(&event))
	require.NoError(t, second.Dump(&dump))
	require.NoError(t, second.Close())

	h, err := Read(firstPath, secondPath)
	require.NoError(t, err)
	for i := range ops { // times count from the first record
		ops[i].Call -= 1000
		ops[i].Return -= 1000
	}
	event.Start -= 1000
	dump.At -= 1000
	require.Equal(t, &History{ops, []Event{event}, []Dump{dump}}, h)
}

// The process dies at any moment: what it had begun is on record, and counts as ambiguous.
func TestAFileMayEndAnywhere(t *testing.T) {
	w, path := create(t)
	one, two := set(1, 1, 10, 20), set(1, 2, 30, 40)
	require.NoError(t, w.Begin(&one))
	require.NoError(t, w.End(&one))
	require.NoError(t, w.Begin(&two))
	whole, err := os.ReadFile(path) // not closed, not flushed by hand
	require.NoError(t, err)

	for size := len(magic); size <= len(whole); size++ {
		require.NoError(t, os.WriteFile(path, whole[:size], 0o600))
		h, err := Read(path)
		require.NoError(t, err)
		for _, op := range h.Ops {
			if op.Outcome != OK {
				require.Equal(t, Ambiguous, op.Outcome)
				require.Equal(t, Never, op.Return)
			}
		}
		if size == len(whole) {
			require.Len(t, h.Ops, 2)
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	for name, content := range map[string]string{
		"empty":               "",
		"another file":        "#!/bin/sh\necho",
		"empty record":        magic + "\x00",
		"unknown record":      magic + "\x01\x09",
		"record too short":    magic + "\x03\x02\x01\x01",
		"huge record":         magic + "\xff\xff\xff\xff\x0f",
		"string without end":  magic + "\x05\x03\x01\x7fab",
		"length is no varint": magic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		path := filepath.Join(t.TempDir(), "damaged")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := Read(path)
		var damaged *FormatError
		require.ErrorAs(t, err, &damaged, name)
		require.ErrorContains(t, err, path)
	}
	_, err := Read(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestManyGoroutinesWriteOneFile(t *testing.T) {
	w, path := create(t)
	var wg sync.WaitGroup
	for c := range Client(8) {
		wg.Go(func() {
			for i := range uint64(200) {
				op := set(c+1, i+1, Time(i), Time(i+1))
				if err := errors.Join(w.Begin(&op), w.End(&op)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, w.Close())
	require.Error(t, w.Close(), "closing twice is an error, not a loss")
	op := set(1, 999, 1, 2)
	require.Error(t, w.Begin(&op))
	h, err := Read(path)
	require.NoError(t, err)
	require.Len(t, h.Ops, 8*200)
}

func FuzzRead(f *testing.F) {
	op := set(1, 1, 10, 20)
	op.Nodes = []NodeOutcome{{"x", Ambiguous}}
	f.Add(frame(appendOp(nil, recordBegin, &op)))
	f.Add(frame(appendEvent(nil, &Event{Kind: Flush, Node: "x", Text: "why"})))
	f.Add(frame(appendDump(nil, &Dump{Node: "x", Key: "k"})))
	f.Add([]byte("\x05\x03\x01\x7fab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := merge{ended: map[Value]bool{}}
		if _, err := m.read(bufio.NewReader(bytes.NewReader(append([]byte(magic), b...)))); err != nil {
			return
		}
		m.addUnended()
		m.history.rebase()
		violations, err := Check(&m.history, Bounds{Lossless: true, Quarantine: 1})
		if err != nil {
			return
		}
		for _, v := range violations {
			_ = v.String()
		}
	})
}

func TestSealedValuesAreKnown(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		v := NewValue(Client(1+rnd.IntN(1000)), rnd.Uint64()>>30)
		b := Seal(v, rnd.IntN(500))
		require.Equal(t, v, Unseal(b))
		require.Equal(t, Torn, Unseal(b[:rnd.IntN(len(b))]), "cut")
		require.Equal(t, Torn, Unseal(b[1:]))
		require.Equal(t, Torn, Unseal(append(bytes.Clone(b), 'a')), "too long")
		other := Seal(v+1, len(b))
		mixed := append(bytes.Clone(b[:len(b)/2]), other[len(b)/2:]...)
		require.Equal(t, Torn, Unseal(mixed), "half of another")
		b[rnd.IntN(len(b))] ^= 1
		require.Equal(t, Torn, Unseal(b), "one bit")
	}
	require.Equal(t, Torn, Unseal(nil))
	require.Equal(t, Torn, Unseal(Seal(0, 100)), "zero is no value")
	require.Len(t, Seal(1, -5), MinSize)
}

func TestTimesNeverOverflow(t *testing.T) {
	require.Equal(t, Never, Never.add(time.Hour))
	require.Equal(t, Never, Never.since(math.MaxInt64-1))
	require.Equal(t, "never", Never.String())
}

func TestNamesOfUnknownNumbers(t *testing.T) {
	require.Equal(t, "unknown", Command(200).String())
	require.Equal(t, "unknown", Outcome(200).String())
	require.Equal(t, "unknown", EventKind(0).String())
	require.Equal(t, "partial", Partial.String())
	require.Equal(t, "note", Note.String())
	require.Equal(t, "cas", CompareAndSwap.String())
}
