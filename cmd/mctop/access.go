package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/nohop/memcache/hotkey/fetchers"
)

// access is what the command line says of how nodes let somebody in. A password is in a file or in the environment, never
// among the arguments, which everybody on the machine can read.
type access struct {
	tls        bool
	ca         string
	serverName string
	authFile   string
	authEnv    string
}

func (a *access) flags(flags *flag.FlagSet) {
	flags.BoolVar(&a.tls, "tls", false, "connect to nodes by TLS")
	flags.StringVar(&a.ca, "ca", "", "trust the certificates in this PEM `file`, not the system's")
	flags.StringVar(&a.serverName, "server-name", "", "`name` in nodes' certificates; default: the node's host")
	flags.StringVar(&a.authFile, "auth-file", "", "log in to nodes with user:password, first line of this `file`")
	flags.StringVar(&a.authEnv, "auth-env", "", "log in to nodes with user:password, from this environment `variable`")
}

func (a *access) check() error {
	switch {
	case a.serverName != "" && !a.tls:
		return errors.New("-server-name means nothing without -tls")
	case a.authFile != "" && a.authEnv != "":
		return errors.New("-auth-file and -auth-env exclude each other")
	}
	return nil
}

// way is how sources are reached.
type way struct {
	node fetchers.Options
	http *http.Client
}

// open reads the files that the flags name.
func (a *access) open() (w way, err error) {
	roots, err := a.roots()
	if err != nil {
		return w, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	w.http = &http.Client{Transport: transport}
	if a.tls {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: a.serverName}}
		w.node.Dial = dialer.DialContext
	}
	w.node.Username, w.node.Password, err = a.login()
	return w, err
}

// roots are those of the system, nil, if no file is named.
func (a *access) roots() (*x509.CertPool, error) {
	if a.ca == "" {
		return nil, nil
	}
	data, err := os.ReadFile(a.ca)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("-ca: no certificate in %s", a.ca)
	}
	return roots, nil
}

// login returns user and password; none if nobody is to log in. Its errors have neither.
func (a *access) login() (user, password string, err error) {
	var secret, place string
	switch {
	case a.authFile != "":
		data, err := os.ReadFile(a.authFile)
		if err != nil {
			return "", "", fmt.Errorf("-auth-file: %w", err)
		}
		secret, place = string(data), "-auth-file "+a.authFile
	case a.authEnv != "":
		secret, place = os.Getenv(a.authEnv), "-auth-env "+a.authEnv
	default:
		return "", "", nil
	}
	line, _, _ := strings.Cut(secret, "\n")
	user, password, _ = strings.Cut(strings.TrimSuffix(line, "\r"), ":")
	if user == "" || password == "" {
		return "", "", fmt.Errorf("%s: not user:password", place)
	}
	return user, password, nil
}
