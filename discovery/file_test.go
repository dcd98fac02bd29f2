package discovery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFileFormats(t *testing.T) {
	large := Node{Name: "cache-2", Addr: "10.0.0.2:11211", Zone: "b", Weight: 2}
	plain := func(addr string) Node { return Node{Name: addr, Addr: addr, Weight: 1} }
	withMeta := large
	withMeta.Meta = map[string]string{"rack": "7"}
	for contents, want := range map[string][]Node{
		"10.0.0.1":                 {plain("10.0.0.1:11211")},
		"\ufeff10.0.0.1:1\r\n\r\n": {plain("10.0.0.1:1")},
		"# all\n\n  10.0.0.2 name=cache-2 weight=2 zone=b # the large one\n/run/a#b.sock#\n": {plain("/run/a#b.sock#"), large},
		"[::1]:11211\n10.0.0.1 #\tx\n": {plain("10.0.0.1:11211"), plain("[::1]:11211")},
		"[::1]":                        {plain("[::1]:11211")},
		` [ "10.0.0.1:11211" , {"name":"cache-2","addr":"10.0.0.2","zone":"b","weight":2,"meta":{"rack":"7"}} ]` + "\n": {plain("10.0.0.1:11211"), withMeta},
		"[\n]": nil,
		"#":    nil,
		"":     nil,
	} {
		nodes, _, err := parseFile([]byte(contents))
		require.NoError(t, err, contents)
		list, err := Validate(nodes, 10)
		require.NoError(t, err, contents)
		require.Equal(t, append([]Node{}, want...), list, contents)
	}
}

func TestFileErrorsNameTheLine(t *testing.T) {
	for _, row := range []struct {
		contents, reason string
		line             int
	}{
		{"a:1\nb:1 zone=x size=3\n", `unknown setting "size"`, 2},
		{"a:1\n\n# x\nb:99999\n", "no valid address", 4},
		{"a:1 zone\n", `"zone" is not`, 1},
		{"a:1 zone=\n", `"zone=" is not`, 1},
		{"a:1 zone=a zone=b\n", `"zone=b" is not`, 1},
		{"a:1\nb:1 weight=none\n", `positive number: "none"`, 2},
		{"a:1 weight=0", `positive number: "0"`, 1},
		{"a:1 weight=NaN", "not a positive number", 1},
		{"a:1 weight=-1", "not a positive number", 1},
		{"a:1\x00b\n", "no valid address", 1},
		{"[\n\"a:1\",\n\"b:x\"\n]", `"b:x": no valid address`, 3},
		{"[\n{\"addr\": \"a\"},\n{\n\"addr\": \"b\",\n\"weigth\": 2}]", `unknown field "weigth"`, 3},
		{"[\n\"a:1\",\n{\"addr\": 7}]", "cannot unmarshal number", 3},
		{"[\n\"a:1\",\n{\"addr\": \"b\", \"weight\": 0}]", "not a positive number", 3},
		{"[\n\"a:1\",\nnull]", "no valid address", 3},
		{"[\n\"a:1\",\n{\"addr\": \"b\"", "unexpected EOF", 3},
		{"[\n\"a:1\"\n\"b:1\"]", "expected comma", 3},
		{"[\"a:1\"", "unexpected EOF", 1},
		{"[", "unexpected EOF", 1},
		{"[\"a:1\"]\n[]", "something follows the array", 2},
		{"{\"nodes\": []}", "not an array", 1},
	} {
		path := filepath.Join(t.TempDir(), "nodes")
		require.NoError(t, os.WriteFile(path, []byte(row.contents), 0o600))
		nodes, err := (&File{Path: path}).Nodes(t.Context())
		require.Nil(t, nodes)
		var bad *FileError
		require.ErrorAs(t, err, &bad, row.contents)
		require.Equal(t, row.line, bad.Line, row.contents)
		require.Equal(t, path, bad.Path)
		require.ErrorContains(t, err, row.reason, row.contents)
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, err := (&File{Path: filepath.Join(dir, "missing")}).Nodes(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, 1, strings.Count(err.Error(), "missing"), "the path stands there once: %v", err)
	_, err = (&File{Path: dir}).Nodes(t.Context())
	require.ErrorContains(t, err, "not a regular file")
	path := filepath.Join(dir, "long")
	require.NoError(t, os.WriteFile(path, []byte("a:1\nb:1\n"), 0o600))
	_, err = (&File{Path: path, MaxBytes: 7}).Nodes(t.Context())
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = (&File{Path: path, MaxBytes: 8}).Nodes(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(" \n"), 0o600))
	_, err = (&File{Path: path}).Nodes(t.Context())
	require.ErrorIs(t, err, ErrNoNodes)
}

// A file that changes between the two looks is not used, whatever it says.
func TestFileThatIsBeingWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "nodes")
		write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
		write("10.0.0.1:11211\n10.0.0.2:112")
		f := &File{Path: path}
		result := make(chan error)
		go func() {
			_, err := f.Nodes(t.Context())
			result <- err
		}()
		synctest.Wait() // the first look is over
		write("10.0.0.1:11211\n10.0.0.2:11211\n")
		require.ErrorIs(t, <-result, ErrChanging)
		requireNodes(t, f, "10.0.0.1:11211", "10.0.0.2:11211")

		start := time.Now()
		requireNodes(t, f, "10.0.0.1:11211", "10.0.0.2:11211")
		require.Zero(t, time.Since(start), "known contents need no second look")
	})
}

// Kubernetes replaces a ConfigMap by renaming a symbolic link to its directory; the file's own times and names stay.
func TestFollowConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		version := 0
		swap := func(text string) {
			version++
			data := fmt.Sprint("..data", version)
			require.NoError(t, os.Mkdir(filepath.Join(dir, data), 0o700))
			file := filepath.Join(dir, data, "nodes")
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
			require.NoError(t, os.Symlink(data, filepath.Join(dir, "..tmp")))
			require.NoError(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
		}
		swap("10.0.0.1\n")
		require.NoError(t, os.Symlink("..data/nodes", filepath.Join(dir, "nodes")))
		f := follow(t, Config{Source: &File{Path: filepath.Join(dir, "nodes")}})
		lists, _ := f.after(time.Second)
		require.Equal(t, [][]string{{"10.0.0.1:11211"}}, lists)
		swap("10.0.0.2\n")
		lists, _ = f.after(2 * time.Second)
		require.Equal(t, [][]string{{"10.0.0.2:11211"}}, lists)
		swap("# other words\n10.0.0.2\n")
		lists, events := f.after(2 * time.Second)
		require.Empty(t, lists)
		require.Empty(t, events)

		swap("10.0.0.3\n10.0.0.4 weigth=2\n")
		lists, events = f.after(2 * time.Second)
		require.Empty(t, lists)
		require.ErrorContains(t, events[0].Err, `line 2: unknown setting "weigth"`)
		swap("")
		f.after(10 * time.Second)
		require.ErrorIs(t, f.Status().LastErr, ErrNoNodes)
		require.Equal(t, []string{"10.0.0.2:11211"}, summary(f.Nodes()))
		swap(`["10.0.0.3"]`)
		lists, _ = f.after(10 * time.Second)
		require.Equal(t, [][]string{{"10.0.0.3:11211"}}, lists)
		f.stop(t)
	})
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"a:1 zone=b weight=2 name=n # c\n", "[::1]:1\n", `["a", {"addr": "b", "weight": 1e9, "meta": {"k": "v"}}]`, "[", "[]x", "{", "\ufeff[", "[{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, contents []byte) {
		nodes, line, err := parseFile(contents)
		if err != nil {
			require.Nil(t, nodes)
			require.LessOrEqual(t, line, 1+strings.Count(string(contents), "\n"))
			require.Positive(t, line)
			return
		}
		for _, n := range nodes {
			_, err := n.validate()
			require.NoError(t, err)
		}
	})
}
