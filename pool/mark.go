package pool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/nohop/memcache/protocol"
)

// The mark is a key that every process of the fleet reads on each new connection (Config.marks), before the connection
// serves anybody. It holds the generation, a random number, and the node's uptime at which it stops joining: D and 2 s from
// when it was written, in whole seconds of the node's own clock, of which the first may be short. It is written by add by
// the first process that meets the node, has no TTL, and is lost by a restart. A node without it is taken for new; but if it
// has been up for longer than that and has ever held an item, somebody may use it still, and it is joining for twice as long
// (Returning).
//
// That both are in one key matters. With a second key that lives D and whose absence says that the node serves, another
// process's flush can fall between the two writes, and whoever comes then takes a new node for one that serves.
//
// Losing the mark to an eviction or to somebody's flush makes the node join again for the processes that connect
// afterwards: they read less than they could, and nothing stale, for those that are connected go on writing to it. A flush
// in itself harms nobody: a flushed node only misses. So that this stays rare, a process that is connected writes the mark
// again where it is gone, and reads it, which keeps it from being evicted (keepMark). One that waits for the node itself does not:
// it goes by the mark of those who use the node (renewMark).
//
// # A node that comes back
//
// A node that left the view and comes back (Config.Joined) has missed what was written meanwhile. It is told by its mark:
// it has the generation that this process knew it by (Config.KnownGeneration); or, where the process knew none, it has long
// stopped joining, although it has only now come into this view, which is at most D late. Such a node holds what it held: it
// is flushed and treated as new, in this order: read the mark, flush, add the mark, read it. Marking first would be no use,
// for the flush takes the mark too, and it is not needed: before the first flush the node shows the old mark, and whoever
// sees that flushes the node himself before he reads; after it, any mark that is there was written to an empty node and says
// when that stops joining. A second flush, by a process that was slow, takes the mark of the first: the node then only
// misses, and the next connection finds it new. So that the flush comes soon, a process connects at once to a node that has
// joined; and it waits for D whatever the mark says, since others may not have come to flush it yet. What remains is a
// process whose first view, within D after the node came back, has it already: it cannot know, and may read what the node
// held until somebody has flushed it. It stores nothing of that elsewhere. And a node that lost its mark, and left the view
// before any process that was connected had written it again, is taken for new with what it holds.
//
// A node of another generation than the known one has restarted, so it is empty, or it is a stranger's at an address that
// was used again: it is never flushed. (A server without CAS, "-C", keeps over a flush what was stored in the same second.)
//
// The journal of what the old life missed is kept when the generation changes. Dropping it would be right after a restart
// only, and a mark can be lost without one; and what it costs to keep is some deletes to a node that nobody reads yet.
const markKey = Reserved + "m"

// Reserved is how all keys of the library begin.
const Reserved = "~"

// IsReserved reports whether a key, as it travels, is one of the library's own.
func IsReserved(key string) bool { return key != "" && key[0] == Reserved[0] }

// mark is what the mark says.
type mark struct {
	generation uint64 // not 0
	serves     int64  // uptime of the node, in seconds, from which on it does
}

func (k mark) String() string { return fmt.Sprintf("%016x %d", k.generation, k.serves) }

// parseMark returns no mark for what is none.
func parseMark(value string) *mark {
	generation, serves, _ := strings.Cut(value, " ")
	g, err1 := strconv.ParseUint(generation, 16, 64)
	end, err2 := strconv.ParseUint(serves, 10, 32)
	if err1 != nil || err2 != nil || g == 0 {
		return nil
	}
	return &mark{g, int64(end)}
}

func (k mark) add() protocol.Request {
	return protocol.Request{Command: protocol.Add, Key: markKey, Value: []byte(k.String())}
}

// sighting is what a node said of itself.
type sighting struct {
	mark    *mark         // nil: it has none and takes none
	joining time.Duration // how long it goes on
	serving time.Duration // or how long ago it ended
}

// serves reports whether the node has a mark by which it does.
func (s sighting) serves() bool { return s.mark != nil && s.joining == 0 }

func (s sighting) generation() uint64 {
	if s.mark == nil {
		return 0
	}
	return s.mark.generation
}

// marks reports whether a node of dialect d is to have a mark. Without Quarantine it serves for the generation only, which
// is of use with meta alone; then the mark says that the node stops joining at once, so all processes of a fleet need the
// same Quarantine.
func (c *Config) marks(d protocol.Dialect) bool {
	return c.Quarantine > 0 || c.Generations && d.HasMeta()
}

var errKeepsOldData = errors.New("memcache: node has missed writes and refuses to be flushed")

// marker reads and writes the mark on a connection that serves nobody yet. It makes one exchange after the other.
type marker struct {
	nc      net.Conn
	in      *bufio.Reader
	dialect protocol.Dialect
	seconds int64 // markSeconds
}

func (c *Config) newMarker(nc net.Conn, d protocol.Dialect) *marker {
	return &marker{nc: nc, in: bufio.NewReaderSize(nc, maxLineSize), dialect: d, seconds: markSeconds(c.Quarantine)}
}

// greet does all that the mark asks for. returned reports whether a node that looks like that has been away.
func (m *marker) greet(returned func(sighting) bool) (sighting, error) {
	found, of, err := m.read()
	if err == nil && found != nil && returned(m.sight(found, of.uptime)) {
		found, err = nil, m.flush()
	}
	if err != nil {
		return sighting{}, err
	}
	if found != nil {
		return m.sight(found, of.uptime), nil
	}
	return m.write(of)
}

// life is what a node says of its life.
type life struct {
	uptime int64 // seconds
	unused bool  // it has never held an item
}

// read takes a line of the reply to "stats".
func (l *life) read(name, value string) {
	n, err := strconv.ParseUint(value, 10, 32)
	switch {
	case name == "uptime" && err == nil:
		l.uptime = int64(n)
	case name == "total_items":
		l.unused = value == "0"
	}
}

// read asks for the mark and how long the node is up.
func (m *marker) read() (found *mark, of life, err error) {
	replies, err := m.exchange(protocol.Request{Command: protocol.Get, Key: markKey}, protocol.Request{Command: protocol.Stats})
	if err != nil {
		return nil, life{}, err
	}
	return parseMark(replies[0].value), replies[1].life, nil
}

// write marks the node, or finds that somebody else was first.
func (m *marker) write(of life) (sighting, error) {
	k := mark{generation: rand.Uint64N(math.MaxUint64) + 1, serves: of.uptime + m.seconds}
	if of.uptime > m.seconds && !of.unused {
		k.serves += m.seconds
	}
	if _, err := m.exchange(k.add()); err != nil {
		return m.unmarked(err)
	}
	found, of, err := m.read()
	if err != nil || found == nil {
		return sighting{joining: m.whole()}, err
	}
	return m.sight(found, of.uptime), nil
}

// unmarked is what is known of a node that refused the mark, because its memory is full and it may not evict: each process
// counts the time by itself.
func (m *marker) unmarked(err error) (sighting, error) {
	var refused *protocol.ServerError
	if errors.As(err, &refused) && refused.InSync() {
		return sighting{joining: m.whole()}, nil
	}
	return sighting{}, err
}

// markSeconds is how long a node is joining, for D. It is also how long each other step lasts by which a node comes or goes.
func markSeconds(d time.Duration) int64 { return int64((d+time.Second-1)/time.Second) + 2 }

// whole is how long a node is joining of which nothing better is known.
func (m *marker) whole() time.Duration { return time.Duration(m.seconds+1) * time.Second }

// sight reads a mark. The node counts whole seconds, so one more is added to how long it goes on joining. A mark of a
// process that was told another D counts as far as this one's goes.
func (m *marker) sight(k *mark, uptime int64) sighting {
	if k.serves <= uptime {
		return sighting{mark: k, serving: time.Duration(uptime-k.serves) * time.Second}
	}
	return sighting{mark: k, joining: time.Duration(min(k.serves-uptime, 2*m.seconds)+1) * time.Second}
}

func (m *marker) flush() error {
	_, err := m.exchange(protocol.Request{Command: protocol.FlushAll})
	var answer *protocol.ServerError
	if errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", errKeepsOldData, err)
	}
	return err
}

// markReply is a reply with what came with it.
type markReply struct {
	protocol.Reply
	value string
	life  life // of "stats"
}

// exchange sends requests together and reads their replies.
func (m *marker) exchange(requests ...protocol.Request) ([]markReply, error) {
	var buf []byte
	forms := make([]protocol.Form, len(requests))
	for i := range requests {
		var err error
		if forms[i], err = protocol.Plan(m.dialect, &requests[i]); err != nil {
			return nil, err
		}
		buf = appendAlone(buf, &requests[i], forms[i])
	}
	if _, err := m.nc.Write(buf); err != nil {
		return nil, err
	}
	replies := make([]markReply, len(requests))
	for i := range requests {
		if err := m.receive(&replies[i], requests[i].Command, forms[i]); err != nil {
			return nil, err
		}
	}
	if m.in.Buffered() > 0 {
		return nil, errStray
	}
	return replies, nil
}

// appendAlone encodes a request that shares its line with no other.
func appendAlone(buf []byte, r *protocol.Request, f protocol.Form) []byte {
	if f != protocol.FormLine {
		return protocol.AppendRequest(buf, r, f, 0)
	}
	buf = protocol.AppendLineStart(buf, r)
	return protocol.AppendLineEnd(protocol.AppendLineKey(buf, r.Key))
}

// receive reads one reply and what belongs to it.
func (m *marker) receive(reply *markReply, c protocol.Command, f protocol.Form) error {
	if f == protocol.FormStats {
		return m.receiveStats(reply)
	}
	line, err := m.line()
	if err != nil {
		return err
	}
	if err := reply.Decode(line, c, f); err != nil {
		return err
	}
	reply.Key = nil
	if reply.Block < 0 {
		return nil
	}
	if err := m.block(reply); err != nil || f != protocol.FormLine {
		return err
	}
	end, err := m.line()
	if err == nil && string(end) != "END" {
		err = errShifted
	}
	return err
}

var errNoUptime = errors.New("memcache: stats without uptime")

// receiveStats reads what the reply to "stats" says of the node's life.
func (m *marker) receiveStats(reply *markReply) error {
	reply.life.uptime = -1
	for range maxStats {
		line, err := m.line()
		if err != nil {
			return err
		}
		if err := reply.Decode(line, protocol.Stats, protocol.FormStats); err != nil {
			return err
		}
		if reply.Status == protocol.More {
			reply.life.read(string(reply.Name), string(reply.Text))
			continue
		}
		if reply.life.uptime < 0 {
			return errNoUptime
		}
		return nil
	}
	return errEndless
}

// line returns the next line without its CR LF; it is valid until the next read.
func (m *marker) line() ([]byte, error) {
	line, err := m.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errLine
	case err != nil:
		return nil, err
	case len(line) < 2 || line[len(line)-2] != '\r':
		return nil, errLine
	}
	return line[:len(line)-2], nil
}

// maxMarkSize is more than a mark of ours takes.
const maxMarkSize = 64

// block reads the value of a reply.
func (m *marker) block(reply *markReply) error {
	if reply.Block > maxMarkSize { // somebody else's
		if _, err := io.CopyN(io.Discard, m.in, int64(reply.Block-maxMarkSize)); err != nil {
			return err
		}
		reply.Block = maxMarkSize
	}
	data := make([]byte, reply.Block+2)
	if _, err := io.ReadFull(m.in, data); err != nil {
		return err
	}
	if string(data[reply.Block:]) != "\r\n" {
		return errBlock
	}
	reply.value = string(data[:reply.Block])
	return nil
}
