package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Bounds on what the API server may do.
const (
	listTimeout   = 30 * time.Second
	headerTimeout = 15 * time.Second // until a watch begins
	minWatch      = 5 * time.Minute  // a watch ends after this much to twice as much, by chance, as others' do
	watchGrace    = 30 * time.Second // a watch that the server should have ended by then is given up
	maxListBytes  = 64 << 20
	maxEventBytes = 8 << 20
	maxErrorBytes = 64 << 10
)

// APIError is a refusal by the API server.
type APIError struct {
	Op      string `json:"-"`       // "list" or "watch"
	Code    int    `json:"code"`    // the status of HTTP: 401, 403, 500 …
	Reason  string `json:"reason"`  // in one word, as "Forbidden"; may be empty
	Message string `json:"message"` // may be empty
}

func (e *APIError) Error() string {
	text := fmt.Sprintf("kubernetes: %s of EndpointSlices: %d %s", e.Op, e.Code, cut(e.Reason))
	if e.Message != "" {
		text += ": " + strconv.Quote(cut(e.Message))
	}
	if e.Code == http.StatusForbidden {
		text += " (the service account needs list and watch of endpointslices in discovery.k8s.io)"
	}
	return text
}

// orExpired returns errExpired for the answer that asks for a new list.
func (e *APIError) orExpired() error {
	if e.Code == http.StatusGone {
		return errExpired
	}
	return e
}

// api is the requests that are made.
type api struct {
	url       string
	selector  string
	tokenFile string
	clients   clients
}

func newAPI(cfg Config) *api {
	return &api{
		url: strings.TrimSuffix(cfg.Server, "/") + "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(cfg.Namespace) +
			"/endpointslices",
		selector:  "kubernetes.io/service-name=" + cfg.Service,
		tokenFile: cfg.TokenFile,
		clients:   clients{caFile: cfg.CAFile},
	}
}

// list returns all slices. It asks for the newest there are, without resourceVersion=0: an API server that lags behind
// must not take us back in time.
func (a *api) list(ctx context.Context) (*sliceSet, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	body, err := a.get(ctx, "list", url.Values{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	var answer struct {
		Metadata struct {
			metadata
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []endpointSlice `json:"items"`
	}
	if err := json.NewDecoder(&bounded{body, maxListBytes}).Decode(&answer); err != nil {
		return nil, fmt.Errorf("kubernetes: list of EndpointSlices: %w", err)
	}
	if answer.Metadata.Continue != "" { // pages come only to those who set a limit
		return nil, errors.New("kubernetes: the list of EndpointSlices is not whole")
	}
	return newSliceSet(answer.Metadata.ResourceVersion, answer.Items)
}

// watch gives apply the events after version, until the server ends the watch or the connection breaks, which is no
// error, or apply fails.
func (a *api) watch(ctx context.Context, version string, apply func(event) error) error {
	length := minWatch + rand.N(minWatch)
	ctx, cancel := context.WithTimeout(ctx, length+watchGrace)
	defer cancel()
	body, err := a.get(ctx, "watch", url.Values{
		"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {version},
		"timeoutSeconds": {strconv.Itoa(int(length.Seconds()))},
	})
	if err != nil {
		return err
	}
	defer body.Close()
	limit := &bounded{r: body}
	events := json.NewDecoder(limit)
	for {
		limit.left = maxEventBytes
		var e event
		if err := events.Decode(&e); err != nil {
			return malformed(err)
		}
		if err := apply(e); err != nil {
			return err
		}
	}
}

// malformed returns err if it is about what the server wrote, and nil if no more could be read.
func malformed(err error) error {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	if syntax || kind || errors.Is(err, errTooLong) {
		return fmt.Errorf("kubernetes: watch of EndpointSlices: %w", err)
	}
	return nil
}

// get makes one request and returns the body of its answer.
func (a *api) get(ctx context.Context, op string, query url.Values) (io.ReadCloser, error) {
	query.Set("labelSelector", a.selector)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if err := a.authorize(req); err != nil {
		return nil, fmt.Errorf("kubernetes: token: %w", err)
	}
	client, err := a.clients.current()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: certificates of the API server: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, refusal(op, resp)
}

// authorize reads the token anew: it is short-lived, and its file is replaced well before it expires.
func (a *api) authorize(req *http.Request) error {
	if a.tokenFile == "" {
		return nil
	}
	contents, err := os.ReadFile(a.tokenFile)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(string(contents))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("the file holds no token") // and what it holds stays out of the error
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// refusal reads the Status that the API server sends with an error; a proxy before it may send anything.
func refusal(op string, resp *http.Response) error {
	e := &APIError{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxErrorBytes)).Decode(e); err != nil {
		e = &APIError{Reason: http.StatusText(resp.StatusCode)}
	}
	e.Op, e.Code = op, resp.StatusCode
	return e.orExpired()
}

var errTooLong = errors.New("the answer is too long")

// bounded is an io.Reader that fails, and does not end, when it has read as much as it may.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
