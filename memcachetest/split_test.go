package memcachetest

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/internal/vectors"
)

// arrivalMatters lists the vectors whose replies depend on how the bytes
// arrive, as they do in memcached.
var arrivalMatters = map[string]string{
	"long-mg-3000":       "2048 bytes without a line end that are no get: closed",
	"gat-2000keys":       "2048 bytes without a line end that are no get: closed",
	"long-junk-20000-lf": "closed after 2049 bytes, so that the rest meets a closed connection",
	"metadump-pipelined": "nothing is queued when the dump is asked for, so it is given",
	"auth-badchunk":      "each of the two lines gets its reply",
}

// TestVectorsByteByByte lets the server see every byte alone.
func TestVectorsByteByByte(t *testing.T) {
	const whole = 64 << 10 // larger requests arrive in pieces
	recorded(t, func(t *testing.T, v vectors.Vector) {
		if why, changes := arrivalMatters[v.ID]; changes {
			t.Skip(why)
		}
		replayInPieces(t, v, func(p []byte) [][]byte {
			size := 1
			if len(p) > whole {
				size = 4099
			}
			return chunks(p, size)
		})
	})
}

// TestVectorsAtEverySplitPoint cuts each request in two at every byte. Of large
// requests it tries the first and the last bytes, where the lines are.
func TestVectorsAtEverySplitPoint(t *testing.T) {
	const large, edge = 4 << 10, 10
	recorded(t, func(t *testing.T, v vectors.Vector) {
		if why, changes := arrivalMatters[v.ID]; changes {
			t.Skip(why)
		}
		longest := 0
		for _, step := range v.Steps {
			longest = max(longest, len(step.Send))
		}
		for at := 1; at < longest; at++ {
			if at == 3*edge && longest > large {
				at = longest - edge
			}
			replayInPieces(t, v, func(p []byte) [][]byte { return cut(p, at) })
		}
	})
}

func replayInPieces(t *testing.T, v vectors.Vector, pieces func([]byte) [][]byte) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(append(optionsFor(t, v.Args), WithPipe())...)
		defer s.Close()
		conn := dialFor(t, s, v)
		conversation{t, conn, func(p []byte) error {
			for _, piece := range pieces(p) {
				if _, err := conn.Write(piece); err != nil {
					return err
				}
				synctest.Wait() // the server has read it and waits for more
			}
			return nil
		}}.replay(v)
	})
}

func chunks(p []byte, size int) [][]byte {
	var list [][]byte
	for len(p) > size {
		list = append(list, p[:size])
		p = p[size:]
	}
	return append(list, p)
}

func cut(p []byte, at int) [][]byte {
	if at >= len(p) {
		return [][]byte{p}
	}
	return [][]byte{p[:at], p[at:]}
}

// TestArrivalMatters shows what happens to the requests of arrivalMatters when
// they come byte by byte.
func TestArrivalMatters(t *testing.T) {
	rows := []struct {
		name, send, recv string
		closed           bool
	}{
		{"long-mg", "mg foo O" + string(bytes.Repeat([]byte("x"), 2100)) + "\r\n", "", true},
		{"long-get", "get a" + string(bytes.Repeat([]byte(" a"), 1100)) + "\r\n", "END\r\n", false},
		{"metadump", "set foo 0 0 1\r\n1\r\nlru_crawler metadump all\r\n",
			"STORED\r\nkey=foo exp=-1 la=946684800 cas=1 fetch=no cls=1 size=63\nEND\r\n", false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewServer(WithPipe())
				defer s.Close()
				conn := dialFor(t, s, vectors.Vector{})
				for i := range row.send {
					if _, err := conn.Write([]byte(row.send[i : i+1])); err != nil {
						break
					}
					synctest.Wait()
				}
				c := conversation{t: t, conn: conn}
				c.expect([]byte(row.recv), false)
				if row.closed {
					c.expectClosed("fin")
				}
			})
		})
	}
}

func TestAuthenticationLineByLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(WithPipe(), WithAuth("foo", "bar"))
		defer s.Close()
		conn := dialFor(t, s, vectors.Vector{})
		c := conversation{t: t, conn: conn}
		for _, piece := range []string{"set x 0 0 7\r\nfoo barXX", "\r\n"} {
			_, err := conn.Write([]byte(piece))
			require.NoError(t, err)
			synctest.Wait()
		}
		c.expect([]byte("CLIENT_ERROR bad command line termination\r\nCLIENT_ERROR unauthenticated\r\n"), false)
	})
}
