package route

// Zones places each key once in every zone. Zones are members whose routes are placements of their own, usually Hash over
// the Slots of the zone's nodes. The home zone of a key is the same for every process; the local zone is read first.
func Zones(zones []Member, local string) (*Slots, error) {
	return NewSlots(zones, max(len(zones), 1), local)
}
