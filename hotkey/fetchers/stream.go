package fetchers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

const (
	readBuffer = 64 << 10 // and the longest line; a real one has less than 1,200 bytes
	maxConns   = 64 << 10 // connections that are remembered: more than a node has by default
	countEvery = 1 << 12  // ops between two reports, at most

	// storeDelay is how long after a look the line of the store that did it may come. They are written at the same moment.
	storeDelay = 100 * time.Millisecond
)

// counts are those of Status since they were last added there.
type counts struct{ ops, ours, skipped, bad uint64 }

// stream is the log of one connection.
type stream struct {
	w      *Watcher
	conn   net.Conn
	in     *bufio.Reader
	line   line
	counts counts

	// Connections by their number at the node; nil if nothing is ours. Whether one is ours is asked at its first op: when it
	// has just been accepted its client may not know of it yet.
	clients map[int]netip.AddrPort // that have done nothing so far
	ours    map[int]bool

	// The last look is held back until the next line shows whether it was a store's own.
	held    bool
	heldKey string
	heldHit bool
	heldLen int // size of the value
	heldCFD int
}

func newStream(conn net.Conn, w *Watcher) *stream {
	s := &stream{w: w, conn: conn, in: bufio.NewReaderSize(conn, readBuffer)}
	if w.options.Ours != nil {
		s.clients, s.ours = map[int]netip.AddrPort{}, map[int]bool{}
	}
	return s
}

// begin has the node agree to be watched.
func (s *stream) begin() error {
	if err := s.login(); err != nil {
		return err
	}
	command := "watch fetchers mutations\r\n"
	if s.ours != nil {
		if err := s.findOurs(); err != nil {
			return err
		}
		command = "watch fetchers mutations connevents\r\n"
	}
	answer, err := s.ask(command)
	if err != nil {
		return err
	}
	if answer != "OK" {
		return fmt.Errorf("%w: %q", ErrRefused, answer)
	}
	return nil
}

// login sends user name and password as the value of a set, with any key (memcached's protocol.txt, "Authentication").
func (s *stream) login() error {
	o := &s.w.options
	if o.Username == "" {
		return nil
	}
	secret := o.Username + " " + o.Password
	answer, err := s.ask(fmt.Sprintf("set auth 0 0 %d\r\n%s\r\n", len(secret), secret))
	if err != nil {
		return err
	}
	if answer != "STORED" {
		return fmt.Errorf("%w: %q", ErrAuth, answer)
	}
	return nil
}

// ask sends a command and returns the first line of the answer.
func (s *stream) ask(command string) (string, error) {
	if _, err := s.conn.Write([]byte(command)); err != nil {
		return "", err
	}
	return s.answer()
}

// answer reads a line of an answer.
func (s *stream) answer() (string, error) {
	line, err := s.in.ReadSlice('\n')
	return strings.TrimRight(string(line), "\r\n"), err
}

// findOurs looks for connections that are there already. The answer is lines such as "STAT 12:addr tcp:10.0.0.1:59094", and
// "END". One that is opened just now, before "watch", goes unnoticed, and counts as foreign until it is closed.
func (s *stream) findOurs() error {
	line, err := s.ask("stats conns\r\n")
	for ; err == nil && line != "END"; line, err = s.answer() {
		field, ok := strings.CutPrefix(line, "STAT ")
		if !ok {
			return fmt.Errorf("%w: %q", ErrRefused, line)
		}
		name, address, _ := strings.Cut(field, " ")
		number, ok := strings.CutSuffix(name, ":addr")
		cfd, bad := strconv.Atoi(number)
		if !ok || bad != nil {
			continue
		}
		_, address, _ = strings.Cut(address, ":")
		client, _ := netip.ParseAddrPort(address) // a unix socket's has none
		s.note(cfd, client)
	}
	return err
}

// note remembers the client of a connection.
func (s *stream) note(cfd int, client netip.AddrPort) {
	s.forget(cfd)
	if client.IsValid() && len(s.clients) < maxConns {
		s.clients[cfd] = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
	}
}

func (s *stream) forget(cfd int) {
	delete(s.clients, cfd)
	delete(s.ours, cfd)
}

// isOurs reports whether the client of a connection, which has just done an op, is one of ours.
func (s *stream) isOurs(cfd int) bool {
	if client, first := s.clients[cfd]; first {
		delete(s.clients, cfd)
		if len(s.ours) < maxConns && s.w.options.Ours(client) {
			s.ours[cfd] = true
		}
	}
	return s.ours[cfd]
}

// follow reads the log until the connection ends.
func (s *stream) follow() error {
	defer s.report()
	defer s.release()
	for {
		if err := s.wait(); err != nil {
			return err
		}
		text, err := s.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if err := s.skipLine(); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			s.take(bytes.TrimRight(text, "\r\n"))
		}
	}
}

// wait returns when there is something to read. What it knows by then is reported, and a look that no store follows at once
// is no store's.
func (s *stream) wait() error {
	if s.in.Buffered() > 0 && s.counts.ops < countEvery {
		return nil
	}
	s.report()
	if !s.held {
		_, err := s.in.Peek(1)
		return err
	}
	s.conn.SetReadDeadline(time.Now().Add(storeDelay))
	_, err := s.in.Peek(1)
	s.conn.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.release()
		return s.wait()
	}
	return err
}

// skipLine passes over the rest of a line that is too long.
func (s *stream) skipLine() error {
	s.counts.bad++
	for {
		_, err := s.in.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// report hands counts over, to the detector and to the Status.
func (s *stream) report() {
	s.w.sampler.Flush()
	s.w.count(s.counts)
	s.counts = counts{}
}

func (s *stream) take(text []byte) {
	l := &s.line
	if err := l.parse(text); err != nil {
		s.counts.bad++
		return
	}
	switch l.kind {
	case look:
		s.release()
		s.hold(l)
	case store:
		s.store(l)
	case connected:
		s.release()
		if s.ours != nil {
			s.note(l.cfd, l.client)
		}
	case closed:
		s.release()
		s.forget(l.cfd)
	case skipped:
		s.release() // what followed it may be among them
		s.counts.skipped += l.skipped
	}
}

func (s *stream) hold(l *line) {
	s.held, s.heldKey, s.heldHit, s.heldLen, s.heldCFD = true, string(l.key), l.found, l.size, l.cfd
}

// release counts the look that was held back.
func (s *stream) release() {
	if !s.held {
		return
	}
	s.held = false
	if !s.foreign(s.heldCFD) {
		return
	}
	hash := xxhash.Sum64String(s.heldKey)
	if s.heldHit {
		s.w.sampler.Read(s.heldKey, hash, len(s.heldKey)+s.heldLen)
	} else {
		s.w.sampler.Miss(s.heldKey, hash)
	}
}

// store counts a store. The look just before it, of the same key over the same connection, was its own.
func (s *stream) store(l *line) {
	if s.held && s.heldCFD == l.cfd && s.heldKey == string(l.key) {
		s.held = false
	}
	s.release()
	if s.foreign(l.cfd) {
		s.w.sampler.Write(string(l.key), xxhash.Sum64(l.key), len(l.key)+l.size)
	}
}

// foreign counts an op of a connection, and reports whether the sampler is to have it.
func (s *stream) foreign(cfd int) bool {
	if s.isOurs(cfd) {
		s.counts.ours++
		return false
	}
	s.counts.ops++
	return true
}
