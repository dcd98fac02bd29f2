package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// certificateOf returns a PEM file with the certificate that a node shows.
func certificateOf(t *testing.T, node *realnode.Node) string {
	t.Helper()
	conn, err := tls.Dial("tcp", node.Addr, node.TLS)
	require.NoError(t, err)
	defer conn.Close()
	block := pem.Block{Type: "CERTIFICATE", Bytes: conn.ConnectionState().PeerCertificates[0].Raw}
	return write(t, string(pem.EncodeToMemory(&block)))
}

// busy has a key of node read until the test ends.
func busy(t *testing.T, node *realnode.Node) {
	t.Helper()
	conn, err := node.Dial()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); ask(ctx, conn, "get wanted\r\n") }()
	t.Cleanup(func() { cancel(); <-ended })
}

// show returns what is printed of node.
func show(t *testing.T, node *realnode.Node, count string, flags ...string) string {
	t.Helper()
	status, out, errs := runPlain(t, append(flags, "-count", count, "-interval", "300ms", node.Addr)...)
	require.Zero(t, status, errs)
	return out
}

func TestANodeWithTLSIsWatched(t *testing.T) {
	t.Parallel()
	node := realnode.StartTLS(t)
	busy(t, node)
	ca := certificateOf(t, node)
	require.Contains(t, show(t, node, "5", "-tls", "-ca", ca), "* wanted")
	require.Contains(t, show(t, node, "5", "-tls", "-ca", ca, "-server-name", "127.0.0.1"), "* wanted")
	for _, flags := range [][]string{{}, {"-tls"}, {"-tls", "-ca", ca, "-server-name", "cache.example.com"}} {
		out := show(t, node, "1", flags...)
		require.Contains(t, out, "! "+node.Addr+": ", flags)
		require.NotContains(t, out, "* wanted", flags)
	}
}

func TestANodeWithAuthenticationIsWatched(t *testing.T) {
	node := realnode.StartAuth(t, "somebody", "pass:word")
	busy(t, node)
	require.Contains(t, show(t, node, "5", "-auth-file", write(t, "somebody:pass:word\nother:line\n")), "* wanted")
	t.Setenv("MCTOP_TEST_AUTH", "somebody:pass:word")
	require.Contains(t, show(t, node, "5", "-auth-env", "MCTOP_TEST_AUTH"), "* wanted")
	for _, flags := range [][]string{{}, {"-auth-file", write(t, "somebody:letmein")}} {
		out := show(t, node, "1", flags...)
		require.Contains(t, out, "! "+node.Addr+": fetchers: the node refuses", flags)
		require.NotContains(t, out, "letmein")
		require.NotContains(t, out, "wanted")
	}
}

func TestAnHTTPSSourceWithACertificateOfItsOwn(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(hotkey.Report{Keys: []hotkey.ReportKey{{Key: "wanted", ID: "1"}}})
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer server.Close()
	ca := write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	_, out, _ := runPlain(t, "-count", "1", "-interval", "250ms", "-ca", ca, server.URL)
	require.Contains(t, out, "wanted")
	_, out, _ = runPlain(t, "-count", "1", "-interval", "250ms", server.URL)
	require.Contains(t, out, "certificate")
}

func TestBadAccess(t *testing.T) {
	t.Setenv("MCTOP_TEST_AUTH", "nobody")
	for _, args := range [][]string{
		{"-server-name", "x"},
		{"-tls", "-ca", write(t, "no PEM")},
		{"-tls", "-ca", filepath.Join(t.TempDir(), "none")},
		{"-auth-file", filepath.Join(t.TempDir(), "none")},
		{"-auth-file", write(t, "")},
		{"-auth-file", write(t, "user:")},
		{"-auth-file", write(t, "us er:password")},
		{"-auth-env", "MCTOP_TEST_AUTH"},
		{"-auth-env", "MCTOP_TEST_NOT_SET"},
		{"-auth-file", write(t, "a:b"), "-auth-env", "MCTOP_TEST_AUTH"},
	} {
		status, out, errs := runPlain(t, append(args, "127.0.0.1:1")...)
		require.Equal(t, 1, status, args)
		require.Empty(t, out)
		require.True(t, strings.HasPrefix(errs, "mctop: "), errs)
		require.NotContains(t, errs, "nobody", args)
	}
}
