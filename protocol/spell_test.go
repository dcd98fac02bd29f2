package protocol_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nohop/memcache/protocol"
)

// sameWords returns an error unless the reply, spelled again, has the words of the line, in whatever order.
func sameWords(line string, reply *protocol.Reply, q recordedRequest) error {
	want, got := strings.Fields(line), strings.Fields(spell(reply, q))
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return fmt.Errorf("line %q was read as %q", line, got)
	}
	return nil
}

// spell writes the reply as a line again, from what was decoded alone.
func spell(reply *protocol.Reply, q recordedRequest) string {
	switch q.form {
	case protocol.FormMeta:
		return spellMeta(reply, q)
	case protocol.FormStats:
		if reply.Status == protocol.More {
			return "STAT " + reply.Name + " " + reply.Text
		}
		return "END"
	case protocol.FormLine:
		if reply.Status == protocol.Miss {
			return "END"
		}
		s := fmt.Sprintf("VALUE %s %d %d", reply.Key, reply.Flags, reply.Block)
		if reply.Has(protocol.ReturnCAS) {
			s += fmt.Sprintf(" %d", reply.CAS)
		}
		return s
	}
	return spellText(reply, q)
}

func spellText(reply *protocol.Reply, q recordedRequest) string {
	switch {
	case reply.Status == protocol.NotStored:
		return "NOT_STORED"
	case reply.Status == protocol.Exists:
		return "EXISTS"
	case reply.Status == protocol.Miss:
		return "NOT_FOUND"
	case q.Command.IsStore():
		return "STORED"
	case q.Command.IsArithmetic():
		return strconv.FormatUint(reply.Number, 10)
	}
	return map[protocol.Command]string{
		protocol.Delete: "DELETED", protocol.Touch: "TOUCHED", protocol.FlushAll: "OK",
		protocol.Version: "VERSION " + reply.Text, protocol.Auth: "STORED",
	}[q.Command]
}

func spellMeta(reply *protocol.Reply, q recordedRequest) string {
	var b strings.Builder
	b.WriteString(metaStatus(reply, q))
	if reply.Block >= 0 {
		fmt.Fprintf(&b, " %d", reply.Block)
	}
	if q.Command == protocol.Debug {
		fmt.Fprintf(&b, " %s %s", reply.Key, reply.Text)
		return b.String()
	}
	numbers := []struct {
		flag   protocol.MetaFlags
		letter string
		value  any
	}{
		{protocol.ReturnFlags, "f", reply.Flags}, {protocol.ReturnCAS, "c", reply.CAS},
		{protocol.ReturnTTL, "t", reply.TTL}, {protocol.ReturnSize, "s", reply.Size},
		{protocol.ReturnLastAccess, "l", reply.LastAccess}, {protocol.ReturnKey, "k", string(reply.Key)},
		{protocol.WithOpaque, "O", strconv.FormatUint(uint64(reply.Opaque), 16)},
		{protocol.ReturnHit, "h", map[bool]int{true: 1}[reply.Hit]}, {protocol.BinaryKey, "b", ""},
		{protocol.Won, "W", ""}, {protocol.Stale, "X", ""}, {protocol.Busy, "Z", ""},
	}
	for _, n := range numbers {
		if reply.Has(n.flag) {
			fmt.Fprintf(&b, " %s%v", n.letter, n.value)
		}
	}
	return b.String()
}

func metaStatus(reply *protocol.Reply, q recordedRequest) string {
	switch {
	case q.Command == protocol.Noop:
		return "MN"
	case q.Command == protocol.Debug && reply.Status == protocol.OK:
		return "ME"
	case reply.Status == protocol.OK && reply.Block >= 0:
		return "VA"
	case reply.Status == protocol.OK:
		return "HD"
	case reply.Status == protocol.Miss && (q.Command == protocol.Get || q.Command == protocol.Debug):
		return "EN"
	case reply.Status == protocol.Miss:
		return "NF"
	case reply.Status == protocol.NotStored:
		return "NS"
	}
	return "EX"
}
