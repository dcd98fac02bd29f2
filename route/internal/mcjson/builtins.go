package mcjson

import (
	"net"
	"net/netip"
)

// builtins returns the macros that every configuration has.
func builtins() map[string]*macro {
	macros := make(map[string]*macro)
	add := func(name string, run func(*call) (*Value, error), required ...string) *macro {
		m := &macro{name: name, run: run}
		for _, p := range required {
			m.params = append(m.params, param{name: p})
		}
		macros[name] = m
		return m
	}
	addTests(add)
	addNumbers(add)
	addCollections(add)

	imports := add("import", (*call).importFile, "path")
	imports.params = append(imports.params, param{name: "default", optional: true})

	add("define", (*call).define, "result")
	add("defined", (*call).defined, "name")
	add("fail", (*call).fail, "msg")
	add("isLocalIp", (*call).isLocalIP, "ip")
	add("hash", (*call).hash, "value")
	add("weightedHash", (*call).weightedHash, "dictionary", "key")
	return macros
}

// adder enters a built-in macro and the names of its parameters.
type adder func(name string, run func(*call) (*Value, error), required ...string) *macro

func (c *call) define() (*Value, error) { return c.arg("result") }

// defined reports whether %name% stands for something where the call is.
func (c *call) defined() (*Value, error) {
	name, err := c.argOf("name", String)
	if err != nil {
		return nil, err
	}
	_, isConstant := c.e.constants[name.Str]
	return c.madeBool(isConstant || c.scope.find(name.Str) != nil)
}

// fail is how a configuration refuses itself.
func (c *call) fail() (*Value, error) {
	msg, err := c.arg("msg")
	if err != nil {
		return nil, err
	}
	if msg.Kind != String {
		return nil, c.errorf("(%s)", msg.Kind)
	}
	return nil, c.errorf("%s", msg.Str)
}

// isLocalIP reports whether a string is an address of this machine; text that is no address is not.
func (c *call) isLocalIP() (*Value, error) {
	ip, err := c.argOf("ip", String)
	if err != nil {
		return nil, err
	}
	want, err := netip.ParseAddr(ip.Str)
	if err != nil {
		return c.madeBool(false)
	}
	locals, err := net.InterfaceAddrs()
	if err != nil {
		return nil, c.errorf("the addresses of this machine: %v", err)
	}
	for _, local := range locals {
		prefix, err := netip.ParsePrefix(local.String())
		if err == nil && prefix.Addr().WithZone("") == want.WithZone("") {
			return c.madeBool(true)
		}
	}
	return c.madeBool(false)
}
