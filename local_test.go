package memcache

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/stretchr/testify/require"
)

func membersOf(nodes ...discovery.Node) (list []member) {
	checked, err := discovery.Validate(nodes, len(nodes))
	if err != nil {
		panic(err)
	}
	for _, n := range checked {
		list = append(list, member{Node: n})
	}
	return list
}

// host has the addresses of a machine, and its environment.
func host(hostIP string, addrs ...string) localConfig {
	return localConfig{hostIP: hostIP, interfaces: func() (list []net.Addr, err error) {
		for _, a := range addrs {
			ip, network, err := net.ParseCIDR(a)
			if err != nil {
				return nil, err
			}
			list = append(list, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		return list, nil
	}}
}

func (l localConfig) with(names ...nickname) localConfig {
	for _, n := range names {
		l.add(n)
	}
	return l
}

func TestWhoIsLocal(t *testing.T) {
	pods := membersOf(
		discovery.Node{Name: "p0", Addr: "10.0.0.1", Zone: "a"},
		discovery.Node{Name: "p1", Addr: "10.0.0.2", Zone: "a"},
		discovery.Node{Name: "p2", Addr: "10.0.0.3", Zone: "b"},
		discovery.Node{Name: "sock", Addr: "/run/m.sock"},
	)
	v6 := membersOf(discovery.Node{Name: "v6", Addr: "[2001:db8::1]", Zone: "b"})
	twoOnAHost := membersOf(
		discovery.Node{Addr: "10.0.0.1:1", Zone: "a"}, discovery.Node{Addr: "10.0.0.1:2", Zone: "a"}, discovery.Node{Addr: "10.0.0.2", Zone: "b"})
	loopback := membersOf(discovery.Node{Addr: "127.0.0.1:1"}, discovery.Node{Addr: "127.0.0.1:2"}, discovery.Node{Addr: "127.0.0.2:1"})
	here := host("10.0.0.1", "127.0.0.1/8", "::1/128", "10.0.0.2/24")
	nowhere := host("", "127.0.0.1/8")
	by := func(name string) nickname { return nickname{name, "WithLocal"} }
	near := choice{"p2", 300 * time.Microsecond}
	for name, c := range map[string]struct {
		config  localConfig
		members []member
		nearest choice
		want    locality
	}{
		"named":                     {here.with(by("p2")), pods, near, locality{"p2", "b", "WithLocal"}},
		"by its address":            {here.with(by("10.0.0.3:11211")), pods, near, locality{"p2", "b", "WithLocal"}},
		"by its host":               {here.with(by("10.0.0.3")), pods, near, locality{"p2", "b", "WithLocal"}},
		"in another spelling":       {here.with(by("[2001:DB8:0::1]")), v6, near, locality{"v6", "b", "WithLocal"}},
		"a socket, with a scheme":   {here.with(by("unix:///run/m.sock")), pods, near, locality{"sock", "", "WithLocal"}},
		"by a variable":             {here.with(nickname{"p2", "environment variable X"}), pods, near, locality{"p2", "b", "environment variable X"}},
		"a zone":                    {here.with(by("b")), pods, near, locality{"", "b", "WithLocal"}},
		"the first that is there":   {here.with(by("gone"), by("b"), by("p0")), pods, choice{}, locality{"", "b", "WithLocal"}},
		"named and not there":       {here.with(by("gone")), pods, choice{}, locality{}},
		"the nearest stands in":     {here.with(by("gone")), pods, near, locality{"p2", "b", "lowest round trip (300µs)"}},
		"nobody":                    {here.with(by("")), pods, choice{}, locality{}},
		"first of several named":    {nowhere.with(by("10.0.0.1")), twoOnAHost, near, locality{"10.0.0.1:1", "a", "WithLocal"}},
		"HOST_IP":                   {here, pods, near, locality{"p0", "a", "environment variable HOST_IP"}},
		"HOST_IP of no node":        {host("10.9.9.9", "10.0.0.2/24"), pods[:3], near, locality{"p1", "a", "address of this host"}},
		"HOST_IP by its name":       {host("p1"), pods[:3], near, locality{"p1", "a", "environment variable HOST_IP"}},
		"a socket":                  {host("", "10.0.0.2/24"), pods, near, locality{"sock", "", "unix socket"}},
		"an own address":            {host("", "127.0.0.1/8", "10.0.0.2/24"), pods[:3], near, locality{"p1", "a", "address of this host"}},
		"an own IPv6 address":       {host("", "2001:db8::1/64"), append(pods[:3:3], v6...), near, locality{"v6", "b", "address of this host"}},
		"the network is not enough": {host("", "10.0.0.9/24"), pods[:3], choice{}, locality{}},
		"two on this host":          {host("", "10.0.0.1/24"), twoOnAHost, near, locality{"", "a", "zone of the nodes on this host"}},
		"two at HOST_IP":            {host("10.0.0.1"), twoOnAHost, near, locality{"", "a", "zone of the nodes on this host"}},
		"two zones on this host":    {host("10.0.0.1", "10.0.0.2/24"), twoOnAHost, choice{}, locality{"10.0.0.2:11211", "b", "address of this host"}},
		"a cluster on one machine":  {nowhere, loopback, choice{}, locality{}},
		"the nearest of those":      {nowhere, loopback, choice{"127.0.0.1:2", time.Millisecond}, locality{"127.0.0.1:2", "", "lowest round trip (1ms)"}},
		"the nearest":               {nowhere, pods[:3], near, locality{"p2", "b", "lowest round trip (300µs)"}},
		"a nearest that left":       {nowhere, pods[:2], near, locality{}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.config.decide(c.members, c.nearest)) })
	}
	blind := localConfig{interfaces: func() ([]net.Addr, error) { return nil, errors.New("not allowed") }}
	require.Zero(t, blind.decide(pods[:3], choice{}))
}

func TestTheNearestIsSlowToChange(t *testing.T) {
	ms := func(a, b, c float64) map[string]time.Duration {
		m := map[string]time.Duration{}
		for name, d := range map[string]float64{"a": a, "b": b, "c": c} {
			if d > 0 {
				m[name] = time.Duration(d * float64(time.Millisecond))
			}
		}
		return m
	}
	var c contest
	for i, step := range []struct {
		roundTrips map[string]time.Duration
		changed    bool
		chosen     string
	}{
		{ms(0, 0, 0), false, ""},
		{ms(3, 2, 2), true, "b"},        // the first round decides at once; of equals the first by name
		{ms(1.6, 2, 3), false, "b"},     // not by enough
		{ms(1, 2, 3), false, "b"},       // once
		{ms(1, 2, 3), false, "b"},       // twice
		{ms(3, 2, 3), false, "b"},       // and not a third time
		{ms(1, 2, 3), false, "b"},       // so it begins anew
		{ms(1, 2, 3), false, "b"},       //
		{ms(3, 2, 1), false, "b"},       // another one: anew as well
		{ms(3, 2, 1), false, "b"},       //
		{ms(3, 2, 1), true, "c"},        // three times
		{ms(3, 2, 1), false, "c"},       //
		{ms(0, 0, 0), false, "c"},       // nobody answers: there is nothing better
		{ms(1, 2, 0), true, "a"},        // it does not answer: at once
		{ms(0.04, 0.01, 0), false, "a"}, // a quarter of nothing much
		{ms(0.04, 0.01, 0), false, "a"},
		{ms(0.04, 0.01, 0), false, "a"},
	} {
		require.Equal(t, step.changed, c.round(step.roundTrips), i)
		require.Equal(t, step.chosen, c.chosen.node, i)
	}
}

func TestIsCalled(t *testing.T) {
	for _, c := range []struct {
		name, node, addr string
		want             bool
	}{
		{"10.0.0.1", "10.0.0.1:11211", "10.0.0.1:11211", true},
		{"10.0.0.1:11211", "x", "10.0.0.1:11211", true},
		{"10.0.0.1:11212", "x", "10.0.0.1:11211", false},
		{"10.0.0.1", "x", "10.0.0.11:11211", false},
		{"10.0.0.11", "x", "10.0.0.1:11211", false},
		{"::ffff:10.0.0.1", "x", "10.0.0.1:11211", true},
		{"[::1]", "x", "[::1]:80", true},
		{"pod.svc", "pod.svc:11211", "10.0.0.1:11211", true},
		{"pod", "pod.svc:11211", "10.0.0.1:11211", false},
		{"/a.sock", "/a.sock", "/a.sock", true},
		{"/a", "/a.sock", "/a.sock", false},
		{"", "/a.sock", "/a.sock", false},
	} {
		m := member{Node: discovery.Node{Name: c.node, Addr: c.addr}}
		require.Equal(t, c.want, isCalled(m, c.name), "%q %+v", c.name, m.Node)
	}
}
