package memcachetest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/realnode"
)

// TestDumpsOfKeys shows keys of all kinds of bytes as memcached does.
func TestDumpsOfKeys(t *testing.T) {
	// stats cachedump shows only items that have cooled, as all have without a maintainer
	real := dialTCP(t, realnode.Start(t, "-o", "no_lru_maintainer").Addr)
	server := NewServer()
	t.Cleanup(server.Close)
	fake := dialTCP(t, server.Addr())
	var ascii, binary []byte
	for c := range 256 {
		binary = append(binary, byte(c))
		if c > ' ' && c < 0x7f {
			ascii = append(ascii, byte(c))
		}
	}
	for _, key := range [][]byte{ascii, []byte("caf\xc3\xa9"), []byte("\x80\xff")} {
		compareDumps(t, real, fake, fmt.Sprintf("ms %s 1\r\nx\r\n", key), fmt.Sprintf("delete %s\r\n", key))
	}
	for _, key := range [][]byte{[]byte("a b"), binary[:128], binary[128:]} {
		text := base64.StdEncoding.EncodeToString(key)
		compareDumps(t, real, fake, "ms "+text+" 1 b\r\nx\r\n", "md "+text+" b\r\n")
	}
}

// compareDumps stores an item, has it dumped, and deletes it.
func compareDumps(t *testing.T, real, fake net.Conn, store, remove string) {
	t.Helper()
	for _, command := range []string{store, "lru_crawler metadump all\r\n", "stats cachedump 1 0\r\n", "stats cachedump 3 0\r\n",
		"stats cachedump 4 0\r\n", "stats cachedump 5 0\r\n", remove} {
		require.Equal(t, dumped(t, real, command), dumped(t, fake, command), "%q", command)
	}
}

// dumped returns what a command is answered, when the crawler has time for it.
func dumped(t *testing.T, conn net.Conn, command string) string {
	for {
		_, err := conn.Write([]byte(command))
		require.NoError(t, err)
		var got bytes.Buffer
		for buf := make([]byte, 64<<10); !bytes.HasSuffix(got.Bytes(), []byte("\r\n")); {
			n, err := conn.Read(buf)
			require.NoError(t, err)
			got.Write(buf[:n])
		}
		if reply := got.Bytes(); !bytes.HasPrefix(reply, []byte("BUSY")) {
			return string(momentOfAccess.ReplaceAll(reply, []byte(" la=#")))
		}
	}
}

var momentOfAccess = regexp.MustCompile(` la=\d+`)
