package hotkey

// FleetShare is a key's share of the cost of all ops of a fleet of processes.
type FleetShare struct {
	Hash  uint64 // of the key
	Share float64
}

// SetFleetShares says what is known beyond this process, in place of what was said before. Where a key's share of the
// fleet is known, Remedies chooses by it, since nodes serve the fleet: so all processes spread a key over as many nodes.
// Which keys are hot is judged by what this process sees.
func (d *Detector) SetFleetShares(shares []FleetShare) {
	fleet := make(map[uint64]float64, len(shares))
	for _, s := range shares {
		fleet[s.Hash] = s.Share
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fleet = fleet
}
