package sflow

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTsharkReadsTheDatagrams has Wireshark's dissector read what came out of a real UDP socket. It knows datagrams, samples
// and their counts by field. Records of sockets and of memcache operations it does not know, and it is lost behind the first
// such record of a sample, so of records their formats and lengths are what it can confirm; decode_test.go has the rest.
func TestTsharkReadsTheDatagrams(t *testing.T) {
	tshark := lookFor(t, "tshark")
	capture := filepath.Join(t.TempDir(), "sflow.pcap")
	require.NoError(t, os.WriteFile(capture, pcap(overUDP(t)), 0o600))

	base := []string{"-r", capture, "-d", "udp.port==6343,sflow"}
	fields := []string{"-T", "fields", "-E", "separator=;"}
	var values []string
	for _, f := range []struct{ name, value string }{
		{"sflow_245.version", "5"},
		{"sflow_245.agent", "192.0.2.9"},
		{"sflow_245.sub_agent_id", "70000"},
		{"sflow_245.sequence_number", "1"},
		{"sflow_245.numsamples", "3"},
		{"sflow_245.sampletype", "1,1,1"},
		{"sflow.flow_sample.sequence_number", "1,2,3"},
		{"sflow.flow_sample.source_id_class", "3,3,3"},
		{"sflow.flow_sample.index", "70000,70000,70000"},
		{"sflow.flow_sample.sampling_rate", "1,1,1"},
		{"sflow.flow_sample.sample_pool", "1,2,3"},
		{"sflow.flow_sample.dropped_packets", "0,0,0"},
		{"sflow.flow_sample.input_interface", "1073741823,1073741823,1073741823"},
		{"sflow.flow_sample.output_interface_value", "0,0,0"},
		{"sflow.flow_sample.flow_record", "1,2,2"},
	} {
		fields = append(fields, "-e", f.name)
		values = append(values, f.value)
	}
	require.Equal(t, strings.Join(values, ";"), strings.TrimSpace(run(t, tshark, append(base, fields...)...)))

	details := run(t, tshark, append(base, "-V")...)
	require.NotContains(t, details, "Malformed")
	for format, length := range map[int]int{2100: 20, 2101: 44, 2200: 36} {
		require.Regexp(t, fmt.Sprintf(`Format: Unknown \(%d\)\s+Flow data length \(byte\): %d\n`, format, length), details)
	}
}

// overUDP returns a datagram of three samples: without a node, with one by IPv4, and by IPv6.
func overUDP(t *testing.T) []byte {
	t.Helper()
	collector, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	defer collector.Close()
	e := start(t, Config{
		Collectors:   []string{collector.LocalAddr().String()},
		SamplingRate: 1,
		DataSource:   70000,
		Agent:        netip.MustParseAddr("192.0.2.9"),
	})
	anonymous, v4, v6 := get, get, get
	anonymous.Node = netip.AddrPort{}
	v6.Node, v6.Local = netip.MustParseAddrPort("[2001:db8::7]:11212"), netip.MustParseAddrPort("[2001:db8::1]:40001")
	for _, op := range []Operation{anonymous, v4, v6} {
		e.Observe(op)
	}
	require.NoError(t, e.Close())
	packet := make([]byte, 1<<16)
	require.NoError(t, collector.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := collector.Read(packet)
	require.NoError(t, err)
	return packet[:n]
}

// lookFor finds a program, or ends t because it is missing: in CI that is a failure, and nowhere is it silent.
func lookFor(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "\nSKIPPED %s: %v\n\n", t.Name(), err)
	t.Skip(err)
	return ""
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var errors strings.Builder
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(t, err, errors.String())
	return string(out)
}

// pcap is a capture file with one UDP datagram to port 6343 (https://wiki.wireshark.org/Development/LibpcapFileFormat).
func pcap(payload []byte) []byte {
	const rawIP = 101 // link type
	head, _ := hex.DecodeString("d4c3b2a1" + "02000400" + "00000000" + "00000000" + "00000400")
	head = binary.LittleEndian.AppendUint32(head, rawIP)
	packet := udp(payload)
	for _, v := range []uint32{1, 0, uint32(len(packet)), uint32(len(packet))} {
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	return append(head, packet...)
}

// udp is payload in UDP in IPv4, without checksums, which nothing here looks at.
func udp(payload []byte) []byte {
	length := 28 + len(payload)
	b := []byte{0x45, 0, byte(length >> 8), byte(length), 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}
	for _, v := range []int{5000, 6343, 8 + len(payload), 0} {
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	}
	return append(b, payload...)
}
