package sflowrt

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Config says where the analyzer is and what passes for hot.
type Config struct {
	// URL of the analyzer, such as "http://10.0.0.9:8008". Required.
	URL string
	// OnEvent is told what happens: HotStart, HotEnd and Missed. It is called by Run and Watch, one event at a time, and they
	// wait for it. Default: nobody is told, which is right for a Source that watches for a client.
	OnEvent func(hotkey.Event)
	// BytesPerSecond of a key from which it is hot. Default 1,000,000. Sources of one analyzer share its definitions, so both
	// thresholds have to be the same for all of them.
	BytesPerSecond float64
	// MissesPerSecond of a key from which it is missed. Default 20.
	MissesPerSecond float64
	// Interval is how long a poll waits for an event, and so the longest time between two looks at the flows. At least 1 s,
	// and whole seconds are what the analyzer takes. Default 5 s.
	Interval time.Duration
	// HTTP asks the analyzer. Default http.DefaultClient; its Timeout, if it has one, has to exceed Interval.
	HTTP *http.Client
}

// ErrBadConfig is matched by the errors of New.
var ErrBadConfig = errors.New("sflowrt: bad configuration")

func (c Config) withDefaults() (Config, error) {
	c.BytesPerSecond = cmp.Or(c.BytesPerSecond, 1e6)
	c.MissesPerSecond = cmp.Or(c.MissesPerSecond, 20)
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.HTTP = cmp.Or(c.HTTP, http.DefaultClient)
	c.URL = strings.TrimRight(c.URL, "/")
	if c.OnEvent == nil {
		c.OnEvent = func(hotkey.Event) {}
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return c, fmt.Errorf("%w: URL is %q", ErrBadConfig, c.URL)
	case !(c.BytesPerSecond > 0 && c.MissesPerSecond > 0):
		return c, fmt.Errorf("%w: a threshold is not above 0", ErrBadConfig)
	case c.Interval < time.Second:
		return c, fmt.Errorf("%w: Interval is %s, less than a second", ErrBadConfig, c.Interval)
	}
	return c, nil
}
