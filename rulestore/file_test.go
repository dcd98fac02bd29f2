package rulestore

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

func write(t *testing.T, path, contents string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(contents), 0o644))
}

func TestFileIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rules.json")
		f := follow(t, Config{Store: &File{Path: path}})
		wait(2 * time.Second)
		_, events := f.said()
		require.Empty(t, events, "a file that is not there yet is no trouble")

		write(t, path, `{"rules": [{"prefix": "abuse:", "do": "deny"}]}`)
		wait(1200 * time.Millisecond)
		require.Equal(t, []string{"abuse:"}, keysOf(f.Table()))
		f.said()

		write(t, path, `{"rules": [{"prefix": "abuse:", "do": "de`)
		wait(3 * time.Second)
		tables, events := f.said()
		require.Empty(t, tables)
		require.Len(t, events, 1)
		require.ErrorIs(t, events[0].Err, hotkey.ErrBadTable)
		require.ErrorContains(t, events[0].Err, "rules.json")

		write(t, path, `{"rules": [{"key": "k", "do": "keep"}]}`)
		wait(1200 * time.Millisecond)
		require.Equal(t, []string{"k"}, keysOf(f.Table()), "a file needs no epochs")
		f.said()

		require.NoError(t, os.Remove(path))
		wait(3 * time.Second)
		require.Equal(t, []string{"k"}, keysOf(f.Table()))
		_, events = f.said()
		require.Len(t, events, 1, "but one that vanishes is")
		require.ErrorIs(t, events[0].Err, fs.ErrNotExist)
		require.Equal(t, 1, strings.Count(events[0].Err.Error(), path))
	})
}

// As Kubernetes mounts a ConfigMap: a link to a directory that is swapped.
func TestFileBehindASwappedLink(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"one", "two"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, v), 0o755))
		write(t, filepath.Join(dir, v, "rules"), `{"rules": [{"key": "`+v+`", "do": "keep"}]}`)
		require.NoError(t, os.Symlink(v, filepath.Join(dir, "new")))
		require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "data")))
		found, err := (&File{Path: filepath.Join(dir, "data", "rules")}).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{v}, keysOf(found))
	}
}

func TestFilePublish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.json")
	f := &File{Path: path}
	first := table(t, 1, "k")
	require.NoError(t, f.Publish(t.Context(), hotkey.Header{}, first))
	found, err := (&File{Path: path}).Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"k"}, keysOf(found))
	again, err := f.Load(t.Context())
	require.NoError(t, err)
	same, err := f.Load(t.Context())
	require.NoError(t, err)
	require.Same(t, again, same)

	require.ErrorIs(t, f.Publish(t.Context(), hotkey.Header{}, table(t, 2, "l")), ErrConflict)
	require.ErrorIs(t, f.Publish(t.Context(), first.Header(), first), ErrConflict)
	write(t, path, "nonsense")
	require.NoError(t, f.Publish(t.Context(), hotkey.Header{}, table(t, 2, "l")), "what is not valid is replaced")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left lying around")
}

func TestFilesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	var failed *FileError
	_, err := (&File{Path: dir}).Load(t.Context())
	require.ErrorAs(t, err, &failed)
	require.ErrorAs(t, (&File{Path: dir}).Publish(t.Context(), hotkey.Header{}, table(t, 1)), &failed)
	nowhere := filepath.Join(dir, "no", "rules")
	require.ErrorAs(t, (&File{Path: nowhere}).Publish(t.Context(), hotkey.Header{}, table(t, 1)), &failed)
	large := filepath.Join(dir, "large")
	write(t, large, `{"rules": []}`+strings.Repeat(" ", hotkey.MaxTableSize))
	_, err = (&File{Path: large}).Load(t.Context())
	require.ErrorIs(t, err, hotkey.ErrBadTable)
	empty := filepath.Join(dir, "empty")
	write(t, empty, "")
	for range 2 {
		_, err = (&File{Path: empty}).Load(t.Context())
		require.ErrorIs(t, err, hotkey.ErrBadTable)
	}
}

func TestFileIsSafeForConcurrentUse(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "rules.json")}
	require.NoError(t, f.Publish(t.Context(), hotkey.Header{}, table(t, 1)))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				_, err := f.Load(t.Context())
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for epoch := uint64(2); epoch < 20; epoch++ {
		require.NoError(t, f.Publish(t.Context(), hotkey.Header{Epoch: epoch - 1, Controller: "tester"}, table(t, epoch)))
	}
	wg.Wait()
}

// An epoch after which there is none would stay for ever, so it is not taken; neither is one made.
func TestEpochsEnd(t *testing.T) {
	for _, epoch := range []string{"18446744073709551615", "18446744069414584320", "9223372036854775808", "9223372036854775807"} {
		f := &File{Path: filepath.Join(t.TempDir(), "rules.json")}
		require.NoError(t, os.WriteFile(f.Path, []byte(`{"epoch":`+epoch+`,"rules":[{"key":"k","do":"deny"}]}`), 0o600))
		_, err := Update(t.Context(), f, "somebody", func(d *Draft) error {
			if epoch == "18446744069414584320" {
				d.Header.Epoch = nextTerm(d.Header.Epoch)
			}
			d.Rules = nil
			return nil
		})
		require.ErrorIs(t, err, hotkey.ErrBadTable, epoch)
		require.ErrorContains(t, err, "epoch")
		if epoch != "9223372036854775807" {
			require.NoError(t, f.Publish(t.Context(), hotkey.Header{}, table(t, 1, "k")), "what is not valid is replaced")
		}
	}
}
