package memcachetest

import (
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSplitIntoWords(t *testing.T) {
	many := strings.Repeat("w ", maxTokens)
	rows := []struct {
		name, line string
		words      int
		rest       string
	}{
		{"empty", "", 0, ""},
		{"spaces only", "   ", 0, ""},
		{"runs of spaces", "  set  a ", 2, ""},
		{"NUL ends the line", "get a\x00 b", 2, ""},
		{"tab is no separator", "a\tb", 1, ""},
		{"as many as fit, then the end", many, maxTokens, ""},
		{"the rest is left", many + " x y", maxTokens, " x y"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			w := split([]byte(row.line), nil)
			require.Len(t, w.list, row.words)
			require.Equal(t, row.rest, string(w.rest))
		})
	}
}

func TestNumbersAsStrtolReadsThem(t *testing.T) {
	rows := []struct {
		text string
		u64  string // "" for an error
		i32  string
	}{
		{"0", "0", "0"},
		{" \t7 ", "7", "7"},
		{"+7", "7", "7"},
		{"-1", "", "-1"},
		{"7x", "", ""},
		{"", "", ""},
		{"-", "", ""},
		{"12 abc", "12", "12"},
		{"12\x00abc", "12", "12"},
		{"18446744073709551615", "18446744073709551615", ""},
		{"18446744073709551616", "", ""},
		{"-18446744073709551615", "1", ""}, // wraps to a small number: accepted
		{"2147483648", "2147483648", "-2147483648"},
		{"4294967297", "4294967297", "1"},
		{"-9223372036854775808", "", "0"},
	}
	for _, row := range rows {
		t.Run(strconv.Quote(row.text), func(t *testing.T) {
			u, ok := parseUint64([]byte(row.text))
			require.Equal(t, row.u64 != "", ok)
			if ok {
				require.Equal(t, row.u64, strconv.FormatUint(u, 10))
			}
			i, ok := parseInt32([]byte(row.text))
			require.Equal(t, row.i32 != "", ok)
			if ok {
				require.Equal(t, row.i32, strconv.FormatInt(int64(i), 10))
			}
		})
	}
}

func FuzzDecodeKeyAgreesWithTheStandard(f *testing.F) {
	f.Add([]byte("foo"))
	f.Add([]byte{0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, key []byte) {
		if len(key) == 0 {
			return
		}
		text := base64.StdEncoding.EncodeToString(key)
		require.Equal(t, key, decodeKey([]byte(text)))
		require.Equal(t, text, string(appendBase64(nil, string(key))))
	})
}

// FuzzServer sends anything and wants no panic and an end.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{setA, "get a\r\n", "ms a 1 b\r\n1\r\n", "mg a v k O1 N30\r\n", "ma a N0 v\r\n",
		"me a b\r\n", "stats\r\n", "lru_crawler metadump all\r\n", "watch\r\nx", "flush_all 1\r\n"} {
		f.Add([]byte(seed))
	}
	s := NewServer(WithPipe())
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, requests []byte) {
		c := connect(t, s)
		if _, err := c.conn.Write(requests); err != nil {
			return // closed at junk
		}
		require.NoError(t, c.conn.(*pipeConn).CloseWrite())
		require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, err := io.Copy(io.Discard, c.conn)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "no end")
	})
}
