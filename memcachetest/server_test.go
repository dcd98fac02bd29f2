package memcachetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "m.sock") }

// onEachTransport runs a story on TCP, a unix socket and a pipe.
func onEachTransport(t *testing.T, story func(t *testing.T, s *Server)) {
	for name, opt := range map[string]Option{
		"tcp": WithTCPAddr("127.0.0.1:0"), "tcp6": WithTCPAddr("[::1]:0"),
		"unix": WithUnixSocket(socketPath(t)), "pipe": WithPipe(),
	} {
		t.Run(name, func(t *testing.T) {
			s := NewServer(opt)
			defer s.Close()
			story(t, s)
		})
	}
}

func TestRestartIsANewProcessAtTheSameAddress(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		addr := s.Addr()
		c := connect(t, s)
		c.do("ms a 1 c\r\n1\r\n", "HD c1\r\n")
		s.Restart()
		_, err := c.conn.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, addr, s.Addr())
		require.Zero(t, s.Stats().Sets)
		c = connect(t, s)
		c.do("mg a\r\nms b 1 c\r\n1\r\n", "EN\r\nHD c1\r\n") // empty, and the CAS counter begins anew
	})
}

func TestKilledServerRefusesUntilStart(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA+"get a\r\n", "STORED\r\n"+getA)
		s.Kill()
		s.Kill() // no effect
		require.Equal(t, 1, s.Stats().GetHits, "what it knew when it died")
		for range 100 { // never a connection to itself or to somebody else
			_, err := s.DialContext(t.Context(), "tcp", s.Addr())
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		}
		s.Start()
		s.Start() // no effect
		connect(t, s).do("mg a\r\n", "EN\r\n")
	})
}

func TestKilledServerKeepsItsPort(t *testing.T) {
	s := NewServer()
	defer s.Close()
	addr, err := net.ResolveTCPAddr("tcp", s.Addr())
	require.NoError(t, err)
	s.Kill()
	_, err = net.DialTCP("tcp", addr, addr) // a free port would connect to itself
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	s.Start()
	connect(t, s).do("mn\r\n", "MN\r\n")
}

func TestPauseDelaysAndResumeAppliesAll(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		open := connect(t, s)
		open.do("mn\r\n", "MN\r\n")
		s.Pause()
		open.send(setA)
		fresh := connect(t, s) // accepted by the system
		fresh.send("get a\r\n")
		open.wantSilence(10 * time.Millisecond)
		fresh.wantSilence(10 * time.Millisecond)
		require.Zero(t, s.Stats().Sets+s.Stats().Gets)
		s.Resume()
		open.want("STORED\r\n")
		_, err := fresh.conn.Read(make([]byte, 1)) // hit or miss, but an answer
		require.NoError(t, err)
	})
}

func TestExpiredItemsAreServedJustAfterResume(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("set a 0 5 3\r\nAAA\r\n", "STORED\r\n")
		s.Pause()
		time.Sleep(time.Minute + 300*time.Millisecond)
		s.Resume()
		c.do("get a\r\n", getA) // the clock has not ticked yet
		time.Sleep(700 * time.Millisecond)
		c.do("get a\r\n", "END\r\n")
	})
}

func TestItemsExpireOnTheSecond(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		time.Sleep(500 * time.Millisecond)
		c.do("set a 0 2 3\r\nAAA\r\nmg a t\r\n", "STORED\r\nHD t2\r\n")
		time.Sleep(1499 * time.Millisecond)
		c.do("get a\r\n", getA)
		time.Sleep(time.Millisecond)
		c.do("get a\r\n", "END\r\n") // after 1.5 s: seconds are counted from the start
		require.Equal(t, 1, s.Stats().GetExpired)
	})
}

func TestExptimeAbove30DaysIsUnixTime(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		at := time.Now().Add(100 * time.Second).Unix()
		c.do(fmt.Sprintf("set a 0 %d 1\r\n1\r\nmg a t\r\n", at), "STORED\r\nHD t100\r\n")
	})
}

func TestDelayedFlushAll(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA+"flush_all 10\r\n", "STORED\r\nOK\r\n")
		time.Sleep(8 * time.Second)
		c.do("get a\r\n", getA)
		time.Sleep(time.Second) // memcached flushes a second early
		c.do("get a\r\n", "END\r\n")
		time.Sleep(time.Second)
		c.do(setA+"get a\r\n", "STORED\r\n"+getA)
	})
}

func TestMemoryLimitEvictsTheLeastRecentlyUsed(t *testing.T) {
	const itemBytes = 48 + 2 + 3 + 2 + 8 // header, key, value, CRLF, CAS
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("set a 0 0 3\r\nAAA\r\nset b 0 0 3\r\nBBB\r\nset c 0 0 3\r\nCCC\r\n", "STORED\r\nSTORED\r\nSTORED\r\n")
		c.do("get a\r\nset d 0 0 3\r\nDDD\r\n", getA+"STORED\r\n")
		c.do("mg a k\r\nmg b k\r\nmg c k\r\nmg d k\r\n", "HD ka\r\nEN kb\r\nHD kc\r\nHD kd\r\n")
		require.Equal(t, 1, s.Stats().Evictions)
		require.Equal(t, 3, s.Stats().CurrItems)
		require.Equal(t, 3*itemBytes, s.Stats().Bytes)
	}, WithMemoryLimit(3*itemBytes))
}

func TestFullServerWithoutEvictionRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA+"set b 0 0 3\r\nBBB\r\n", "STORED\r\nSERVER_ERROR out of memory storing object\r\n")
		c.do("get a\r\nmn\r\n", getA+"MN\r\n")
	}, WithMemoryLimit(100), WithoutEviction())
}

func TestFlushEmptiesTheStore(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("ms a 1 c\r\n1\r\n", "HD c1\r\n")
		s.Flush()
		c.do("mg a\r\nms a 1 c\r\n1\r\n", "EN\r\nHD c2\r\n")
		require.Equal(t, 1, s.Stats().CurrItems)
	})
}

func TestCloseClientConnectionsKeepsItems(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA, "STORED\r\n")
		s.CloseClientConnections()
		_, err := c.conn.Read(make([]byte, 1))
		require.Error(t, err)
		connect(t, s).do("get a\r\n", getA)
	})
}

func TestStatsTellWhatWasAsked(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		connect(t, s)
		const requests = setA + "get a b\r\nmg a\r\nma n\r\ntouch a 0\r\ndelete a\r\nflush_all\r\n"
		const replies = "STORED\r\n" + getA + "HD\r\nNF\r\nTOUCHED\r\nDELETED\r\nOK\r\n"
		c.do(requests, replies)
		synctest.Wait()
		got := s.Stats()
		require.Equal(t, Stats{
			CurrConnections: 2, TotalConnections: 2,
			BytesRead: int64(len(requests)), BytesWritten: int64(len(replies)),
			Gets: 3, GetHits: 2, GetMisses: 1, Sets: 1, Touches: 1, TouchHits: 1,
			DeleteHits: 1, IncrMisses: 1, Flushes: 1, TotalItems: 1,
		}, got)
	})
}

func TestVersions(t *testing.T) {
	for want, opts := range map[string][]Option{
		"1.6.18": nil, "1.4.39": {WithoutMeta()},
		"1.5.22": {WithVersion("1.5.22"), WithoutMeta()}, "1.6.0": {WithoutMeta(), WithVersion("1.6.0")},
	} {
		inBubble(t, func(t *testing.T, s *Server) {
			connect(t, s).do("version\r\n", "VERSION "+want+"\r\n")
		}, opts...)
	}
}

func TestVersionAndClassicOnlyServer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("version\r\nmn\r\nmg a v\r\nms a 1\r\n1\r\n", "VERSION 1.4.39\r\nERROR\r\nERROR\r\nERROR\r\nERROR\r\n")
		c.do(setA+"get a\r\n", "STORED\r\n"+getA)
	}, WithVersion("1.4.39"), WithoutMeta())
}

func TestTLS(t *testing.T) {
	cert, roots := selfSigned(t)
	for name, opts := range map[string][]Option{"tcp": nil, "pipe": {WithPipe()}} {
		t.Run(name, func(t *testing.T) {
			s := NewServer(append(opts, WithTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))...)
			defer s.Close()
			c := connect(t, s)
			c.conn = tls.Client(c.conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
			c.do(setA+"get a\r\n", "STORED\r\n"+getA)
			s.Inject(CloseAt(3))
			c.do("get a\r\n", "VAL")
			c.wantEnd(io.EOF)

			plain := connect(t, s)
			plain.send("get a\r\n") // no handshake: the server ends it
			_, err := io.ReadAll(plain.conn)
			require.NoError(t, err)
		})
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestHalfClosedClientGetsAllReplies(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.send("mg a\r\nmn\r\nset b 0 0 10\r\ncut")
		require.NoError(t, c.conn.(interface{ CloseWrite() error }).CloseWrite())
		got, err := io.ReadAll(c.conn)
		require.NoError(t, err)
		require.Equal(t, "EN\r\nMN\r\n", string(got))
		connect(t, s).do("mg b\r\n", "EN\r\n") // a body that was cut off is not stored
	})
}

func TestDialerFindsServersByAddress(t *testing.T) {
	a, b := NewServer(WithPipeAddr("a:11211")), NewServer()
	defer a.Close()
	defer b.Close()
	dial := Dialer(a, b)
	for _, s := range []*Server{a, b} {
		conn, err := dial(t.Context(), "tcp", s.Addr())
		require.NoError(t, err)
		(&client{t, conn}).do("mn\r\n", "MN\r\n")
		conn.Close()
	}
	_, err := dial(t.Context(), "tcp", "c:11211")
	var opErr *net.OpError
	require.ErrorAs(t, err, &opErr)
}

// Pipe servers have names that are addresses, so that nobody looks them up, and each its own.
func TestPipeServersHaveAddresses(t *testing.T) {
	seen := map[netip.AddrPort]bool{}
	for range 300 {
		s := NewServer(WithPipe())
		defer s.Close()
		addr, err := netip.ParseAddrPort(s.Addr())
		require.NoError(t, err)
		require.True(t, addr.Addr().IsLoopback())
		require.False(t, seen[addr])
		seen[addr] = true
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	files := openFiles(t)
	for range 20 {
		onEachTransport(t, func(t *testing.T, s *Server) {
			for range 5 {
				c := connect(t, s)
				c.do("mn\r\n", "MN\r\n")
				c.conn.Close()
			}
			connect(t, s).send("mg a\r\nset")
			s.Restart()
			s.Kill()
			s.Close()
			s.Close() // no effect
		})
	}
	require.Empty(t, ourGoroutines())
	runtime.GC() // connections that tests left to the collector
	require.LessOrEqual(t, openFiles(t), files)
}

// ourGoroutines returns the stacks of goroutines that run a server's code.
func ourGoroutines() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var ours []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "memcachetest.(*process)") || strings.Contains(stack, "memcachetest.(*conn)") {
			ours = append(ours, stack)
		}
	}
	return ours
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if os.IsNotExist(err) {
		t.Skip("no /proc on this system")
	}
	require.NoError(t, err)
	return len(entries)
}

// TestConcurrentUse is for the race detector: clients, faults and restarts at
// once.
func TestConcurrentUse(t *testing.T) {
	onEachTransport(t, func(t *testing.T, s *Server) {
		var clients sync.WaitGroup
		for i := range 4 {
			clients.Go(func() {
				for range 50 {
					chatUntilBroken(t, s, i)
				}
			})
		}
		for range 20 {
			s.Inject(SwapReplies(2).Repeat(), ResetAt(500))
			s.Pause()
			s.Stats()
			s.Resume()
			s.Heal()
			s.Flush()
			s.CloseClientConnections()
			s.Restart()
		}
		clients.Wait()
	})
}

func chatUntilBroken(t *testing.T, s *Server, i int) {
	conn, err := s.DialContext(t.Context(), "tcp", s.Addr())
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(50 * time.Millisecond))
	for range 20 {
		if _, err := fmt.Fprintf(conn, "ms k%d 2 c\r\nab\r\nmg k%d v c\r\nincr n 1\r\nstats\r\n", i, i); err != nil {
			return
		}
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			return
		}
	}
}

func TestNewServerPanicsWithoutAPlaceToListen(t *testing.T) {
	s := NewServer()
	defer s.Close()
	require.Panics(t, func() { NewServer(WithTCPAddr(s.Addr())) })
	require.Panics(t, func() { NewServer(WithUnixSocket("/nonexistent/m.sock")) })
}

func TestCloseEndsAPausedServer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("mn\r\n", "MN\r\n")
		s.Pause()
		c.send("mn\r\n")
		synctest.Wait()
		s.Restart() // a new process is not paused
		connect(t, s).do("mn\r\n", "MN\r\n")
		s.Pause()
		s.Close()
	})
}
