package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// summary is a list in a form that a test can read: "name@addr" for each node, or the name alone if they are the same.
func summary(nodes []Node) (list []string) {
	for _, n := range nodes {
		if n.Name == n.Addr {
			list = append(list, n.Name)
		} else {
			list = append(list, n.Name+"@"+n.Addr)
		}
	}
	return list
}

// ask returns the valid form of what src answers.
func ask(t *testing.T, src Source) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	nodes, err := src.Nodes(ctx)
	if err != nil {
		require.Empty(t, nodes)
		return nil, err
	}
	list, err := Validate(nodes, 1000)
	require.NoError(t, err)
	return summary(list), nil
}

func requireNodes(t *testing.T, src Source, want ...string) {
	t.Helper()
	got, err := ask(t, src)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func requireError(t *testing.T, src Source, want error) {
	t.Helper()
	got, err := ask(t, src)
	require.ErrorIs(t, err, want)
	require.Empty(t, got)
}

func TestDNSAnswers(t *testing.T) {
	s := newDNSServer(t)
	src := DNS{Host: "cache.test.", Port: 11222, Resolver: s.resolver()}
	requireError(t, src, ErrNoNodes)

	s.addrs("cache.test.", "10.0.0.2", "10.0.0.10", "10.0.0.1")
	requireNodes(t, src, "10.0.0.10:11222", "10.0.0.1:11222", "10.0.0.2:11222")
	s.addrs("cache.test.", "10.0.0.1", "10.0.0.2", "10.0.0.10", "10.0.0.2")
	requireNodes(t, src, "10.0.0.10:11222", "10.0.0.1:11222", "10.0.0.2:11222")

	s.addrs("cache.test.") // the name exists, and has no address
	requireError(t, src, ErrNoNodes)
	s.addrs("cache.test.", "2001:db8::2", "2001:db8::1")
	requireNodes(t, src, "[2001:db8::1]:11222", "[2001:db8::2]:11222")
	s.addrs("cache.test.", "2001:db8::2", "10.0.0.1")
	requireNodes(t, src, "10.0.0.1:11222") // one node, not its two addresses
}

func TestDNSFollowsAlias(t *testing.T) {
	s := newDNSServer(t)
	a := answer{records: []dnsmessage.ResourceBody{
		&dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("alias.test.")}, &dnsmessage.AResource{A: [4]byte{10, 0, 0, 7}},
	}}
	s.set("cache.test.", dnsmessage.TypeA, a)
	requireNodes(t, DNS{Host: "cache.test.", Resolver: s.resolver()}, "10.0.0.7:11211")
}

// An answer that could not be had is an error, and not "no such address": else every node of a dual-stack network would
// be replaced by its IPv6 self while the server loses the question for IPv4.
func TestDNSFailureIsNoAnswer(t *testing.T) {
	s := newDNSServer(t)
	src := DNS{Host: "cache.test.", Resolver: s.resolver()}
	for name, a := range map[string]answer{
		"SERVFAIL":  {rcode: dnsmessage.RCodeServerFailure},
		"REFUSED":   {rcode: dnsmessage.RCodeRefused},
		"broken":    {half: true, records: []dnsmessage.ResourceBody{&dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}}}},
		"malformed": {records: []dnsmessage.ResourceBody{&dnsmessage.UnknownResource{Type: dnsmessage.TypeA, Data: []byte{1, 2}}}},
	} {
		t.Run(name, func(t *testing.T) {
			s.addrs("cache.test.", "2001:db8::1")
			s.set("cache.test.", dnsmessage.TypeA, a)
			_, err := ask(t, src)
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrNoNodes)
			var dns *net.DNSError
			require.ErrorAs(t, err, &dns)
		})
	}
}

func TestDNSTimeout(t *testing.T) {
	s := newDNSServer(t)
	s.both("cache.test.", answer{silent: true})
	for _, src := range []Source{
		DNS{Host: "cache.test.", Resolver: s.resolver()},
		SRV{Name: "cache.test.", Resolver: s.resolver()},
		SRVNoA{Name: "cache.test.", Resolver: s.resolver()},
	} {
		s.set("cache.test.", dnsmessage.TypeSRV, answer{silent: true})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := src.Nodes(ctx)
		cancel()
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrNoNodes)
		require.Less(t, time.Since(start), 3*time.Second)
	}
}

// A list too long for a packet comes over TCP, whole.
func TestDNSTruncation(t *testing.T) {
	s := newDNSServer(t)
	a := answer{cut: true}
	for i := range 300 {
		a.records = append(a.records, &dnsmessage.AResource{A: [4]byte{10, 0, byte(i >> 8), byte(i)}})
	}
	s.set("cache.test.", dnsmessage.TypeA, a)
	got, err := ask(t, DNS{Host: "cache.test.", Resolver: s.resolver()})
	require.NoError(t, err)
	require.Len(t, got, 300)
	require.Equal(t, 1, s.tcp)
}

func TestSRVAnswers(t *testing.T) {
	s := newDNSServer(t)
	const name = "_memcached._tcp.cache.test."
	srv := SRV{Name: name, Resolver: s.resolver()}
	byName := SRVNoA{Name: name, Resolver: s.resolver()}
	requireError(t, srv, ErrNoNodes)
	requireError(t, byName, ErrNoNodes)

	s.srv(name, 11300, "b.cache.test.", "a.cache.test.", "b.cache.test.")
	s.addrs("a.cache.test.", "10.0.0.1")
	s.addrs("b.cache.test.", "10.0.0.2", "2001:db8::2")
	requireNodes(t, srv, "a.cache.test:11300@10.0.0.1:11300", "b.cache.test:11300@10.0.0.2:11300")
	requireNodes(t, byName, "a.cache.test:11300", "b.cache.test:11300")

	// The identity stays when the address changes.
	s.addrs("a.cache.test.", "10.0.0.9")
	requireNodes(t, srv, "a.cache.test:11300@10.0.0.9:11300", "b.cache.test:11300@10.0.0.2:11300")
	// A target with several addresses is several nodes.
	s.addrs("a.cache.test.", "10.0.0.9", "10.0.0.8")
	requireNodes(t, srv, "10.0.0.8:11300", "10.0.0.9:11300", "b.cache.test:11300@10.0.0.2:11300")
	// A record may outlive its target for a moment.
	s.addrs("a.cache.test.")
	requireNodes(t, srv, "b.cache.test:11300@10.0.0.2:11300")
	// One that cannot be looked up leaves the list unknown.
	s.both("a.cache.test.", answer{rcode: dnsmessage.RCodeServerFailure})
	_, err := ask(t, srv)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNoNodes)
	requireNodes(t, byName, "a.cache.test:11300", "b.cache.test:11300")

	s.srv(name, 0, ".") // RFC 2782: there is no such service
	requireError(t, srv, ErrNoNodes)
	requireError(t, byName, ErrNoNodes)
	s.srv(name, 11300, "gone.test.")
	requireError(t, srv, ErrNoNodes)
	s.set(name, dnsmessage.TypeSRV, answer{rcode: dnsmessage.RCodeServerFailure})
	for _, src := range []Source{srv, byName} {
		_, err := ask(t, src)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrNoNodes)
	}
}

// A record without a usable port makes no list.
func TestSRVPortZero(t *testing.T) {
	s := newDNSServer(t)
	s.srv("cache.test.", 0, "a.test.")
	s.addrs("a.test.", "10.0.0.1")
	nodes, err := SRV{Name: "cache.test.", Resolver: s.resolver()}.Nodes(t.Context())
	require.NoError(t, err)
	_, err = Validate(nodes, 10)
	require.ErrorIs(t, err, ErrBadAddr)
}

// Targets are looked up side by side, but not all at once.
func TestSRVLooksUpTargetsTogether(t *testing.T) {
	s := newDNSServer(t)
	const name, count = "_memcached._tcp.cache.test.", 40
	var targets, want []string
	for i := range count {
		target := fmt.Sprintf("n%02d.test.", i)
		targets = append(targets, target)
		addr := fmt.Sprintf("10.0.0.%d", i)
		s.addrs(target, addr)
		want = append(want, fmt.Sprintf("n%02d.test:11211@%s:11211", i, addr))
	}
	resolver := &countingResolver{Resolver: s.resolver(), enter: make(chan int, count), leave: make(chan struct{})}
	s.srv(name, 11211, targets...)
	result := make(chan []string)
	go func() {
		nodes, err := SRV{Name: name, Resolver: resolver}.Nodes(context.Background())
		list, invalid := Validate(nodes, count)
		if err = errors.Join(err, invalid); err != nil {
			list = nil
		}
		result <- summary(list)
	}()
	for range maxLookups {
		<-resolver.enter
	}
	select {
	case <-resolver.enter:
		t.Error("more look-ups at the same time than allowed")
	default:
	}
	close(resolver.leave)
	require.Equal(t, want, <-result)
}

// Addresses in the place of names are nodes as they are.
func TestAddressesNeedNoServer(t *testing.T) {
	requireNodes(t, DNS{Host: "10.0.0.1", Port: 1}, "10.0.0.1:1")
	requireNodes(t, DNS{Host: "2001:DB8::1"}, "[2001:db8::1]:11211")
}

// A server that answers, then fails, then answers otherwise, as a follower sees it.
func TestFollowFlappingDNS(t *testing.T) {
	s := newDNSServer(t)
	s.addrs("cache.test.", "10.0.0.1", "10.0.0.2")
	lists, events := make(chan []string, 100), make(chan Event, 1000)
	f, err := NewFollower(Config{
		Source:     Every(time.Millisecond, DNS{Host: "cache.test.", Resolver: s.resolver()}),
		MaxBackoff: 2 * time.Millisecond, Timeout: 200 * time.Millisecond,
		OnEvent: func(e Event) {
			select {
			case events <- e:
			default: // the same over and over
			}
		},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx, func(nodes []Node) { lists <- summary(nodes) }) }()
	require.Equal(t, []string{"10.0.0.1:11211", "10.0.0.2:11211"}, <-lists)
	for i, trouble := range []answer{
		{rcode: dnsmessage.RCodeServerFailure}, {rcode: dnsmessage.RCodeNameError}, {silent: true}, {}, {half: true}, {rcode: dnsmessage.RCodeRefused},
	} {
		s.both("cache.test.", trouble)
		for e := range events { // until one tells of it
			if e.Err != nil {
				require.Positive(t, e.Nodes)
				break
			}
		}
		s.addrs("cache.test.", "10.0.0.2", fmt.Sprint("10.0.1.", i))
		require.Equal(t, []string{"10.0.0.2:11211", fmt.Sprintf("10.0.1.%d:11211", i)}, <-lists, "trouble %d", i)
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, lists, "no list but those that the server gave whole")
}
