package discovery

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers real DNS queries on a loopback port, over UDP and TCP, from what a test has put in.
type dnsServer struct {
	t       *testing.T
	packets net.PacketConn
	streams net.Listener

	mu      sync.Mutex
	answers map[dnsmessage.Question]answer
	tcp     int // queries that came over TCP
}

// answer is what the server says to one question. Without one it says NXDOMAIN.
type answer struct {
	records []dnsmessage.ResourceBody
	rcode   dnsmessage.RCode
	silent  bool // the query is lost
	cut     bool // over UDP the answer is truncated, without any record
	half    bool // as cut, and over TCP the answer breaks off
}

func newDNSServer(t *testing.T) *dnsServer {
	s := &dnsServer{t: t, answers: map[dnsmessage.Question]answer{}}
	var err error
	s.streams, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.packets, err = net.ListenPacket("udp", s.streams.Addr().String())
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(s.servePackets)
	wg.Go(s.serveStreams)
	t.Cleanup(func() {
		s.packets.Close()
		s.streams.Close()
		wg.Wait()
	})
	return s
}

// resolver is Go's own, with every query sent to the server.
func (s *dnsServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.streams.Addr().String())
	}}
}

func (s *dnsServer) set(name string, kind dnsmessage.Type, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}] = a
}

// addrs sets the A and AAAA records of a name; if it has one kind only, the answer for the other is empty.
func (s *dnsServer) addrs(name string, ips ...string) {
	var a, aaaa answer
	for _, text := range ips {
		if ip := netip.MustParseAddr(text); ip.Is4() {
			a.records = append(a.records, &dnsmessage.AResource{A: ip.As4()})
		} else {
			aaaa.records = append(aaaa.records, &dnsmessage.AAAAResource{AAAA: ip.As16()})
		}
	}
	s.set(name, dnsmessage.TypeA, a)
	s.set(name, dnsmessage.TypeAAAA, aaaa)
}

// srv sets the SRV records of a name.
func (s *dnsServer) srv(name string, port uint16, targets ...string) {
	var a answer
	for i, target := range targets {
		a.records = append(a.records, &dnsmessage.SRVResource{Weight: uint16(i), Port: port, Target: dnsmessage.MustNewName(target)})
	}
	s.set(name, dnsmessage.TypeSRV, a)
}

// both sets the same answer for A and AAAA.
func (s *dnsServer) both(name string, a answer) {
	s.set(name, dnsmessage.TypeA, a)
	s.set(name, dnsmessage.TypeAAAA, a)
}

func (s *dnsServer) servePackets() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		query := make([]byte, 1500)
		n, from, err := s.packets.ReadFrom(query)
		if err != nil {
			return
		}
		wg.Go(func() {
			if reply, ok := s.reply(query[:n], false); ok {
				_, _ = s.packets.WriteTo(reply, from)
			}
		})
	}
}

func (s *dnsServer) serveStreams() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := s.streams.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { s.serveStream(conn) })
	}
}

func (s *dnsServer) serveStream(conn net.Conn) {
	defer conn.Close()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	s.mu.Lock()
	s.tcp++
	s.mu.Unlock()
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return
	}
	reply, ok := s.reply(query, true)
	if !ok {
		return
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)[:s.length(query, len(reply)+2)])
}

// length is how much of a reply over TCP is sent.
func (s *dnsServer) length(query []byte, full int) int {
	if _, a, ok := s.find(query); ok && a.half {
		return full / 2
	}
	return full
}

func (s *dnsServer) find(query []byte) (dnsmessage.Message, answer, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return m, answer{}, false
	}
	q := m.Questions[0]
	q.Name = dnsmessage.MustNewName(strings.ToLower(q.Name.String()))
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.answers[q]
	if !ok {
		a.rcode = dnsmessage.RCodeNameError
	}
	return m, a, true
}

func (s *dnsServer) reply(query []byte, tcp bool) ([]byte, bool) {
	m, a, ok := s.find(query)
	if !ok || a.silent {
		return nil, false
	}
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true, RCode: a.rcode}
	m.Additionals = nil
	if (a.cut || a.half) && !tcp {
		m.Truncated = true
	} else {
		for _, body := range a.records {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 5}, Body: body,
			})
		}
	}
	packed, err := m.Pack()
	return packed, err == nil
}
