package fetchers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

// play is what a node does with one connection.
type play func(in *bufio.Reader, out net.Conn)

// script is a node over net.Pipe that has a play for each connection; when it has none it refuses to be dialled.
type script chan play

func plays(list ...play) script {
	s := make(script, 10)
	for _, p := range list {
		s <- p
	}
	return s
}

var errGone = errors.New("nobody there")

func (s script) dial(context.Context, string, string) (net.Conn, error) {
	select {
	case play := <-s:
		client, node := net.Pipe()
		go func() {
			defer node.Close()
			play(bufio.NewReader(node), node)
		}()
		return client, nil
	default:
		return nil, errGone
	}
}

// says is a node that waits for a line and answers with text, for each pair.
func says(exchange ...string) play {
	return func(in *bufio.Reader, out net.Conn) {
		for i := 0; i < len(exchange); i += 2 {
			line, err := in.ReadString('\n')
			if err != nil || strings.TrimSpace(line) != exchange[i] {
				return
			}
			if _, err := out.Write([]byte(exchange[i+1])); err != nil {
				return
			}
		}
	}
}

const watch = "watch fetchers mutations"

// look and store are lines of the log.
func lookLine(key, status string, cfd, size int) string {
	return fmt.Sprintf("ts=1.2 gid=1 type=item_get key=%s status=%s clsid=1 cfd=%d size=%d\n", key, status, cfd, size)
}

func storeLine(key string, cfd, size int) string {
	return fmt.Sprintf("ts=1.2 gid=1 type=item_store key=%s status=stored cmd=set ttl=0 clsid=1 cfd=%d size=%d\n", key, cfd, size)
}

// start runs a watcher of s in a bubble.
func start(t *testing.T, s script, o Options) (*Watcher, *hotkey.Detector) {
	t.Helper()
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	o.Dial = s.dial
	w, err := New("node:11211", d.NewSampler(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	d.Tick(time.Now())
	return w, d
}

func TestTheLogBecomesOps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		log.WriteString("OK\r\n")
		for range 1000 {
			log.WriteString(lookLine("hot", "found", 1, 93))
			log.WriteString(lookLine("gone", "not_found", 2, 0)) // a real miss, and the store that fills it
			log.WriteString(lookLine("gone", "not_found", 2, 0))
			log.WriteString(storeLine("gone", 2, 93))
		}
		w, d := start(t, plays(says(watch, log.String())), Options{})
		synctest.Wait()
		time.Sleep(hotkey.TickInterval)
		d.Tick(time.Now())

		st := w.Status()
		require.EqualValues(t, 3000, st.Ops)
		require.Zero(t, st.Bad)
		r := d.Report(10)
		require.Len(t, r.Keys, 2)
		for _, k := range r.Keys {
			switch k.Key {
			case "hot":
				require.InDelta(t, 1, *k.HitRatio, 0)
				require.Zero(t, k.WriteShare)
				require.InDelta(t, 96, k.ItemSize, 1)
			case "gone":
				require.InDelta(t, 0, *k.HitRatio, 0.01)
				require.InDelta(t, 0.5, k.WriteShare, 0.3)
			}
		}
		require.Equal(t, "gone", r.Missed[0].Key)
		require.InDelta(t, 1000/hotkey.TickInterval.Seconds(), r.Missed[0].MissesPerSecond, 1)
	})
}

func TestAStoreTakesOutOnlyItsOwnLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t, plays(says(watch, "OK\r\n"+
			lookLine("a", "found", 1, 1)+storeLine("a", 1, 1)+ // 1 op
			lookLine("a", "found", 1, 1)+storeLine("a", 2, 1)+ // another connection's: 2
			lookLine("b", "found", 1, 1)+storeLine("a", 1, 1)+ // another key: 2
			lookLine("a", "found", 1, 1)+"skipped=7\n"+storeLine("a", 1, 1)+ // not known: 2
			lookLine("last", "found", 1, 1))), Options{}) // 1, though nothing follows
		synctest.Wait()
		st := w.Status()
		require.EqualValues(t, 8, st.Ops)
		require.EqualValues(t, 7, st.Skipped)
	})
}

func TestWhatMakesNoSenseIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t, plays(says(watch, "OK\r\n"+
			"nonsense\n"+strings.Repeat("x", 3*readBuffer)+"\n"+lookLine("%zz", "found", 1, 1)+
			"ts=1.2 gid=1 type=from_the_future x=1\n"+lookLine("a", "found", 1, 1))), Options{})
		synctest.Wait()
		st := w.Status()
		require.EqualValues(t, 1, st.Ops)
		require.EqualValues(t, 3, st.Bad)
	})
}

func TestAWatcherComesBackWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := plays(
			says(watch, "OK\r\n"+lookLine("a", "found", 1, 1)),
			says(watch, "WATCHER_TOO_MANY log watcher limit reached\r\n"),
		)
		w, _ := start(t, nodes, Options{MaxBackoff: time.Second})
		synctest.Wait()
		require.EqualValues(t, 1, w.Status().Ops)
		require.False(t, w.Status().Connected)

		time.Sleep(firstBackoff) // the longest that the first pause may be
		synctest.Wait()
		require.ErrorIs(t, w.Status().Err, ErrRefused)
		require.ErrorContains(t, w.Status().Err, "WATCHER_TOO_MANY")
		time.Sleep(2 * firstBackoff)
		synctest.Wait()
		require.ErrorIs(t, w.Status().Err, errGone)

		time.Sleep(time.Minute)
		hold := make(chan struct{})
		nodes <- func(in *bufio.Reader, out net.Conn) {
			says(watch, "OK\r\n")(in, out)
			<-hold
		}
		time.Sleep(time.Second)
		synctest.Wait()
		st := w.Status()
		require.True(t, st.Connected)
		require.NoError(t, st.Err)
		require.EqualValues(t, 2, st.Connects)
		close(hold)
	})
}

func TestANodeThatDoesNotAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := plays(func(in *bufio.Reader, _ net.Conn) { in.ReadString(0) })
		w, _ := start(t, nodes, Options{DialTimeout: time.Second})
		time.Sleep(time.Second)
		synctest.Wait()
		var timeout net.Error
		require.ErrorAs(t, w.Status().Err, &timeout)
		require.True(t, timeout.Timeout())
	})
}

func TestOursAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connections := "STAT 11:addr tcp:0.0.0.0:11211\r\nSTAT 11:state conn_listening\r\n" +
			"STAT 12:addr tcp:10.0.0.1:100\r\nSTAT 12:state conn_read\r\n" +
			"STAT 13:addr tcp6:[::ffff:10.0.0.2]:100\r\nEND\r\n"
		log := "OK\r\n" +
			lookLine("a", "found", 12, 1) + // ours, from the start
			lookLine("a", "found", 13, 1) +
			"type=conn_close rip=10.0.0.1 rport=100 transport=tcp reason=normal cfd=12\n" +
			"type=conn_new rip=10.0.0.3 rport=100 transport=tcp cfd=12\n" +
			lookLine("a", "found", 12, 1) + // the number is another's now
			"type=conn_new rip=10.0.0.1 rport=101 transport=tcp cfd=14\n" +
			lookLine("a", "found", 14, 1) + storeLine("a", 14, 1) // ours, by a new connection
		w, _ := start(t, plays(says("stats conns", connections, watch+" connevents", log)), Options{
			Ours: func(client netip.AddrPort) bool { return client.Addr() == netip.MustParseAddr("10.0.0.1") },
		})
		synctest.Wait()
		st := w.Status()
		require.EqualValues(t, 2, st.Ops)
		require.EqualValues(t, 2, st.Ours)
		require.Zero(t, st.Bad)
	})
}

func TestANodeThatShowsNoConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t, plays(says("stats conns", "ERROR\r\n")), Options{Ours: func(netip.AddrPort) bool { return true }})
		synctest.Wait()
		require.ErrorIs(t, w.Status().Err, ErrRefused)
	})
}

func TestNewRefuses(t *testing.T) {
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	for name, try := range map[string]func() error{
		"no node":          func() error { _, err := New("", d.NewSampler(), Options{}); return err },
		"no sampler":       func() error { _, err := New("a:1", nil, Options{}); return err },
		"negative timeout": func() error { _, err := New("a:1", d.NewSampler(), Options{DialTimeout: -1}); return err },
		"negative backoff": func() error { _, err := New("a:1", d.NewSampler(), Options{MaxBackoff: -1}); return err },
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, try(), ErrBadOptions) })
	}
}

// The path of a socket may be a relative one.
func TestNetworks(t *testing.T) {
	for node, network := range map[string]string{
		"/run/m.sock": "unix", "./m.sock": "unix", "../m.sock": "unix", "run/m.sock": "unix", "m:11211": "tcp", "[::1]:11211": "tcp",
	} {
		require.Equal(t, network, networkOf(node), node)
	}
}
