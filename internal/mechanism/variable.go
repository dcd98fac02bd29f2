//go:build mechanisms

package mechanism

import (
	"fmt"
	"maps"
	"slices"
)

// The mechanisms. The numbers are those of the tests. They are read without a lock, so they are to be switched before
// anything that uses them is started.
var (
	PinnedStreams = true // M2: the requests of a key take the same connection
	Journal       = true // M3: what a node missed is not read there, and is deleted
	Quarantine    = true // M4: a node that joins is not read before all write to it
	Verification  = true // M6: a set looks whether it has left the replicas different
	Leases        = true // M7: what was loaded is stored only if nothing happened to the key meanwhile
	OtherHomes    = true // M9: what is written while a key moves is deleted where others may still, or already, read it
)

var all = map[string]*bool{
	"M2": &PinnedStreams, "M3": &Journal, "M4": &Quarantine, "M6": &Verification, "M7": &Leases,
	"M9": &OtherHomes,
}

// Names returns the names of mechanisms that can be switched off.
func Names() []string { return slices.Sorted(maps.Keys(all)) }

// SwitchOff switches off the mechanisms of those names.
func SwitchOff(names ...string) error {
	for _, name := range names {
		on, ok := all[name]
		if !ok {
			return fmt.Errorf("there is no mechanism %q", name)
		}
		*on = false
	}
	return nil
}
