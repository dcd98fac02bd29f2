package discovery

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// endpoint serves one connection after the other: it answers each line with what answers has for it. A reply that ends in
// "…" is cut off there, and the connection stays open if keep is set.
type endpoint struct {
	answers map[string]string
	asked   chan string
	addr    string
}

const newQuestion, oldQuestion = "config get cluster", "get AmazonElastiCache:cluster"

func newEndpoint(t *testing.T, listener net.Listener, answers map[string]string) *endpoint {
	e := &endpoint{answers: answers, asked: make(chan string, 100), addr: listener.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			e.serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return e
}

func (e *endpoint) serve(conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		e.asked <- lines.Text()
		answer, known := e.answers[lines.Text()]
		if !known {
			answer = "ERROR\r\n"
		}
		text, cut := strings.CutSuffix(answer, "…")
		if _, err := io.WriteString(conn, text); err != nil || cut {
			return
		}
	}
}

func listen(t *testing.T) net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return listener
}

// documented is the example of ElastiCache's documentation, whose length is not that of its text.
const documented = "CONFIG cluster 0 147\r\n12\nmyCluster.pc4ldq.0001.use1.cache.amazonaws.com|10.82.235.120|11211 " +
	"myCluster.pc4ldq.0002.use1.cache.amazonaws.com|10.80.249.27|11211\n\r\nEND\r\n"

func configReply(number, list string) string {
	payload := number + "\n" + list + "\n"
	return fmt.Sprintf("CONFIG cluster 0 %d\r\n%s\r\nEND\r\n", len(payload), payload)
}

func TestElastiCacheReplies(t *testing.T) {
	for name, row := range map[string]struct {
		reply string
		want  []string
	}{
		"documented": {documented, []string{
			"myCluster.pc4ldq.0001.use1.cache.amazonaws.com:11211@10.82.235.120:11211",
			"myCluster.pc4ldq.0002.use1.cache.amazonaws.com:11211@10.80.249.27:11211",
		}},
		"any order":           {configReply("3", "b|10.0.0.2|11211 a|10.0.0.1|11211"), []string{"a:11211@10.0.0.1:11211", "b:11211@10.0.0.2:11211"}},
		"no ip":               {configReply("3", "a||11211"), []string{"a:11211"}},
		"no host":             {configReply("3", "|10.0.0.1|11211"), []string{"10.0.0.1:11211"}},
		"Memorystore":         {configReply("1", "10.0.0.2|10.0.0.2|11211 10.0.0.1|10.0.0.1|11211"), []string{"10.0.0.1:11211", "10.0.0.2:11211"}},
		"IPv6":                {configReply("1", "a|2001:db8::1|11211"), []string{"a:11211@[2001:db8::1]:11211"}},
		"CRLF, spaces around": {"CONFIG cluster 0 20\r\n1\r\n a|10.0.0.1|11211 \r\n\r\nEND\r\n", []string{"a:11211@10.0.0.1:11211"}},
		"no empty line":       {"CONFIG cluster 0 20\r\n1\na|10.0.0.1|11211\r\nEND\r\n", []string{"a:11211@10.0.0.1:11211"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, listen(t), map[string]string{newQuestion: row.reply})
			start := time.Now()
			requireNodes(t, ElastiCache{Addr: e.addr}, row.want...)
			require.Less(t, time.Since(start), 5*time.Second, "END ends the reply, not a timeout")
			require.Equal(t, newQuestion, <-e.asked)
			require.Empty(t, e.asked)
		})
	}
}

func TestElastiCacheBadReplies(t *testing.T) {
	good := configReply("1", "a|10.0.0.1|11211")
	for name, row := range map[string]struct {
		reply string
		want  error
	}{
		"cut in the list":       {good[:len(good)-14] + "…", io.ErrUnexpectedEOF},
		"cut before END":        {strings.TrimSuffix(good, "END\r\n") + "…", io.ErrUnexpectedEOF},
		"cut in END":            {strings.TrimSuffix(good, "D\r\n") + "…", io.ErrUnexpectedEOF},
		"nothing":               {"…", io.ErrUnexpectedEOF},
		"never ends":            {strings.Repeat("x", maxReplyBytes+1), io.ErrUnexpectedEOF},
		"list never ends":       {"CONFIG cluster 0 9\r\n1\n" + strings.Repeat("x", maxReplyBytes), io.ErrUnexpectedEOF},
		"another reply":         {"STAT pid 1\r\nEND\r\n", ErrBadReply},
		"server error":          {"SERVER_ERROR out of memory\r\n", ErrBadReply},
		"another key":           {"CONFIG other 0 3\r\n1\n\n\r\nEND\r\n", ErrBadReply},
		"no length":             {"CONFIG cluster 0\r\n1\n\n\r\nEND\r\n", ErrBadReply},
		"length no number":      {"CONFIG cluster 0 x\r\n1\n\n\r\nEND\r\n", ErrBadReply},
		"number no number":      {configReply("one", "a|10.0.0.1|11211"), ErrBadReply},
		"no port":               {configReply("1", "a|10.0.0.1"), ErrBadReply},
		"port 0":                {configReply("1", "a|10.0.0.1|0"), ErrBadReply},
		"port too large":        {configReply("1", "a|10.0.0.1|65536"), ErrBadReply},
		"no host at all":        {configReply("1", "||11211"), ErrBadReply},
		"four parts":            {configReply("1", "a|b|c|11211"), ErrBadReply},
		"host with a slash":     {configReply("1", "a/b|10.0.0.1|11211"), ErrBadReply},
		"one bad among good":    {configReply("1", "a|10.0.0.1|11211 b|10.0.0.2|x"), ErrBadReply},
		"a third line":          {"CONFIG cluster 0 9\r\n1\na|10.0.0.1|11211\nb|10.0.0.1|11211\n\r\nEND\r\n", ErrBadReply},
		"something else at END": {strings.Replace(good, "END", "EDN", 1), ErrBadReply},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, listen(t), map[string]string{newQuestion: row.reply})
			nodes, err := ElastiCache{Addr: e.addr}.Nodes(t.Context())
			require.ErrorIs(t, err, row.want)
			require.Nil(t, nodes)
			require.Less(t, len(err.Error()), 400)
		})
	}
}

// A list without nodes is an answer: the follower keeps the last one and asks at the same pace.
func TestElastiCacheEmptyList(t *testing.T) {
	e := newEndpoint(t, listen(t), map[string]string{newQuestion: configReply("1", "")})
	nodes, err := ElastiCache{Addr: e.addr}.Nodes(t.Context())
	require.NoError(t, err)
	require.Empty(t, nodes)
}

// An engine before 1.4.14 does not know the new question, and keeps the configuration under a key: real memcached does.
func TestElastiCacheOldEngine(t *testing.T) {
	node := realnode.Start(t)
	src := ElastiCache{Addr: node.Addr}
	requireError(t, src, ErrBadReply) // no cluster at all
	for i, payload := range []string{"1\na|10.0.0.1|11211 b|10.0.0.2|11211\n", "1\na|10.0.0.1|11211 b|10.0.0.2|11211"} {
		conn, err := net.Dial("tcp", node.Addr)
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "set AmazonElastiCache:cluster 0 0 %d\r\n%s\r\n", len(payload), payload)
		reply, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "STORED\r\n", reply, i)
		requireNodes(t, src, "a:11211@10.0.0.1:11211", "b:11211@10.0.0.2:11211")
	}
}

func TestElastiCacheKeepHosts(t *testing.T) {
	e := newEndpoint(t, listen(t), map[string]string{newQuestion: configReply("1", "a|10.0.0.1|11211 |10.0.0.2|11211")})
	requireNodes(t, ElastiCache{Addr: e.addr, KeepHosts: true}, "10.0.0.2:11211", "a:11211")
}

func TestElastiCacheOverTLS(t *testing.T) {
	certificate := httptest.NewTLSServer(nil) // for its certificate only
	defer certificate.Close()
	e := newEndpoint(t, tls.NewListener(listen(t), &tls.Config{Certificates: certificate.TLS.Certificates}), map[string]string{newQuestion: documented})
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Certificate())
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots}}
	got, err := ask(t, ElastiCache{Addr: e.addr, Dial: dialer.DialContext})
	require.NoError(t, err)
	require.Len(t, got, 2)
	_, err = ask(t, ElastiCache{Addr: e.addr, Dial: (&tls.Dialer{Config: &tls.Config{}}).DialContext})
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
}

func TestElastiCacheThatDoesNotAnswer(t *testing.T) {
	listener := listen(t) // accepts, in the kernel, and says nothing
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := ElastiCache{Addr: listener.Addr().String()}.Nodes(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	refused := listen(t)
	refused.Close()
	_, err = ElastiCache{Addr: refused.Addr().String()}.Nodes(t.Context())
	require.ErrorAs(t, err, new(*net.OpError))
	for _, addr := range []string{"", "/socket", "a b"} {
		_, err = ElastiCache{Addr: addr}.Nodes(t.Context())
		require.ErrorIs(t, err, ErrBadAddr)
	}
}

// A cluster that was made anew counts from 1 again, and its list is used all the same.
func TestElastiCacheNumberMayShrink(t *testing.T) {
	for _, reply := range []string{configReply("9", "a|10.0.0.1|11211"), configReply("1", "b|10.0.0.2|11211")} {
		members, err := askCluster(&transcript{Reader: strings.NewReader(reply)})
		require.NoError(t, err)
		require.Len(t, members, 1)
	}
}

// transcript is a connection with fixed replies.
type transcript struct {
	io.Reader
	written bytes.Buffer
}

func (c *transcript) Write(p []byte) (int, error) { return c.written.Write(p) }

func FuzzAskCluster(f *testing.F) {
	f.Add([]byte(documented))
	f.Add([]byte("ERROR\r\nVALUE AmazonElastiCache:cluster 0 20\r\n1\na||1\n\r\nEND\r\n"))
	f.Add([]byte("ERROR\r\nEND\r\n"))
	f.Add([]byte(configReply("1", "a|::1|1 |b|2")))
	f.Fuzz(func(t *testing.T, reply []byte) {
		conn := &transcript{Reader: bytes.NewReader(reply)}
		members, err := askCluster(conn)
		if err != nil {
			require.True(t, errors.Is(err, ErrBadReply) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrTooManyNodes), err)
			require.Nil(t, members)
			return
		}
		require.Contains(t, string(reply), "END")
		for _, m := range members {
			_, err := m.node(false).validate()
			require.NoError(t, err, "%+v", m)
		}
	})
}
