//go:build !mechanisms

package mechanism

import "errors"

// The mechanisms. The numbers are those of the tests.
const (
	PinnedStreams = true // M2: the requests of a key take the same connection
	Journal       = true // M3: what a node missed is not read there, and is deleted
	Quarantine    = true // M4: a node that joins is not read before all write to it
	Verification  = true // M6: a set looks whether it has left the replicas different
	Leases        = true // M7: what was loaded is stored only if nothing happened to the key meanwhile
	OtherHomes    = true // M9: what is written while a key moves is deleted where others may still, or already, read it
)

// Names returns the names of mechanisms that can be switched off.
func Names() []string { return nil }

// SwitchOff switches off the mechanisms of those names. Here, it cannot.
func SwitchOff(names ...string) error {
	if len(names) > 0 {
		return errors.New("mechanisms can be switched off in a build with -tags " + Tag + " only")
	}
	return nil
}
