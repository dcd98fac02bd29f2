package main

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

const nameRueidis = "rueidis"

// Rueidis on Redis is the record among pipelining clients: another protocol and server, the same kind of work.
var (
	peerRueidis        = peer{name: nameRueidis, program: "redis-server", open: openRueidis(0)}
	peerRueidisDelayed = peer{name: "rueidis 20µs delay", program: "redis-server", open: openRueidis(20 * time.Microsecond)}
)

type redisClient struct{ c rueidis.Client }

func openRueidis(flushDelay time.Duration) func(*servers, []string, int) (client, error) {
	return func(s *servers, _ []string, _ int) (client, error) {
		c, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress:       []string{s.redis},
			ForceSingleClient: true,
			DisableCache:      true,
			DisableRetry:      true, // a failure shall be counted
			MaxFlushDelay:     flushDelay,
			ConnWriteTimeout:  timeout,
		})
		if err != nil {
			return nil, err
		}
		return redisClient{c}, nil
	}
}

func (r redisClient) worker() (worker, error) { return r, nil }
func (r redisClient) close()                  { r.c.Close() }

func (r redisClient) get(key string) (int, error) {
	value, err := r.c.Do(context.Background(), r.c.B().Get().Key(key).Build()).AsBytes()
	return len(value), err
}

func (r redisClient) set(key string, value []byte) error {
	return r.c.Do(context.Background(), r.c.B().Set().Key(key).Value(rueidis.BinaryString(value)).Build()).Error()
}

func (r redisClient) getMulti([]string) (int, error) { return 0, errUnsupported }
