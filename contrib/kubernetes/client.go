package kubernetes

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// clients makes the HTTP client anew when the certificates of the API server's authority change.
type clients struct {
	caFile string

	mu     sync.Mutex
	ca     []byte // what client trusts
	client *http.Client
}

func (c *clients) current() (*http.Client, error) {
	ca, err := c.readCA()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil && bytes.Equal(ca, c.ca) {
		return c.client, nil
	}
	roots, err := parseCA(ca)
	if err != nil {
		return nil, err
	}
	c.ca, c.client = ca, newClient(roots)
	return c.client, nil
}

// readCA returns nil where the system's certificates are to be used.
func (c *clients) readCA() ([]byte, error) {
	if c.caFile == "" {
		return nil, nil
	}
	return os.ReadFile(c.caFile)
}

func parseCA(ca []byte) (*x509.CertPool, error) {
	if ca == nil {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("the file holds none")
	}
	return roots, nil
}

// newClient returns a client that notices within half a minute that the API server is gone, by pings of HTTP/2 or of TCP: a
// watch may be silent for long. It keeps no connection between requests, which are minutes apart; so nothing is left open
// when a watch has ended. It uses no proxy and follows no redirect, as the token is for the API server alone.
func newClient(roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{
		Timeout:         10 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           dialer.DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: headerTimeout,
			DisableKeepAlives:     true,
			ForceAttemptHTTP2:     true,
			HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
