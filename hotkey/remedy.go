package hotkey

import (
	"cmp"
	"math"
	"time"
)

// Kind is what is done about a key.
type Kind uint8

// The kinds.
const (
	// None leaves the key alone.
	None Kind = iota
	// Keep holds the value in the process and validates it against the home's CAS.
	Keep
	// Spread reads copies, named by the home's CAS, on several nodes.
	Spread
	// Pin moves the key's home.
	Pin
	// Deny refuses the key.
	Deny
	// Auto leaves the key to the automatic choice, within the Staleness given. Only rules have it.
	Auto
)

var kindNames = [...]string{None: "none", Keep: "keep", Spread: "spread", Pin: "pin", Deny: "deny", Auto: "auto"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Action is a kind with its parameters; those that a kind does not list are zero.
type Action struct {
	Kind      Kind
	Staleness time.Duration // of Keep, Spread, Auto: how old an answer may be; 0 is strict, as a plain read
	Copies    int           // of Spread: nodes that hold the value, the home among them; at least 2, or 0 if Nodes says it
	Nodes     []string      // of Pin: the home and the replicas; of Spread: the nodes instead of the first Copies of the key's order
	// Ends says of a Pin that it is being taken away: it applies no more, and is still in the table to tell it to processes
	// that start, for others may use the pin until they have seen it end. Such a rule has Expires.
	Ends bool
}

// Policy is what the automatic choice may do. The zero value is the default of everything.
type Policy struct {
	// Staleness allowed, see Action; 0 is strict.
	Staleness time.Duration
	// KeepBytes is the memory for values kept in the process. Default 32 MiB; negative: none is kept.
	KeepBytes int
	// KeepItemBytes is the size of the largest value kept. Default 256 KiB.
	KeepItemBytes int
	// WriteHot says what is done about a key that is written so often that copies do not help: None, the default, only
	// says so; Pin and Deny do that. Other kinds count as None.
	WriteHot Kind
}

func (p Policy) withDefaults() Policy {
	p.KeepBytes = cmp.Or(p.KeepBytes, 32<<20)
	p.KeepItemBytes = cmp.Or(p.KeepItemBytes, 256<<10)
	return p
}

// Facts are what is measured of a key.
type Facts struct {
	Share        float64 // of the cost of all ops, 0 to 1
	OpsPerSecond float64
	ItemSize     int     // key and value, in bytes
	WriteShare   float64 // of its ops, 0 to 1
	Nodes        int     // over which keys are spread
	KeepLeft     int     // bytes that hotter keys have left of Policy.KeepBytes
}

// Reason says why an action was chosen.
type Reason uint8

// The reasons.
const (
	ReasonNone       Reason = iota // no choice was made
	ReasonKeep                     // the value fits the process, which reads it more often than it changes
	ReasonSpread                   // the value does not fit the process
	ReasonSmall                    // requests make the key hot, not bytes, and strict copies save no requests
	ReasonWriteHot                 // written too often for copies to pay
	ReasonSingleNode               // the value does not fit the process, and there is no other node
	reasonCount
)

var reasonNames = [reasonCount]string{
	ReasonNone:       "no choice was made",
	ReasonKeep:       "the value fits the process and is read more often than it changes",
	ReasonSpread:     "the value does not fit the process",
	ReasonSmall:      "small value: its requests make it hot, and only a staleness would save requests",
	ReasonWriteHot:   "written too often for copies to pay: pin it, or split it into several keys",
	ReasonSingleNode: "the value does not fit the process, and there is no other node",
}

func (r Reason) String() string {
	if r >= reasonCount {
		return "unknown"
	}
	return reasonNames[r]
}

// Decision is the outcome of the automatic choice.
type Decision struct {
	Action   Action
	Reason   Reason
	WriteHot bool // more than one write per 20 reads: never spread
	// Saves is the part of the key's requests, 0 to 1, that a staleness of AdviceStaleness would save. Only with
	// ReasonSmall.
	Saves float64
}

// AdviceStaleness is the staleness that Decision.Saves is about.
const AdviceStaleness = 250 * time.Millisecond

// Limits of the choice.
const (
	strictKeepSize = 512  // bytes from which asking for the CAS is much less than the value
	writesPerRead  = 0.05 // above which copies on other nodes are replaced before they pay
	minKeepReads   = 2    // per write, for a kept value to be used again
)

// Choose returns what to do about a key that is too hot for its node:
//
//   - keep it, if the value fits the process and is read twice or more between writes: within the Staleness allowed, or
//     strict where asking for its CAS saves bytes (from 512 bytes on);
//   - else spread it, if it is read 20 times or more between writes, over enough nodes that each serves a tenth of its
//     fair share of the load;
//   - else nothing, with a reason that the application should know; or what Policy.WriteHot says.
//
// Pin and Deny are never chosen unless the policy says so. A Pin comes without Nodes, which are the caller's to choose.
func Choose(p Policy, f Facts) Decision {
	p = p.withDefaults()
	reads, writes := 1-f.WriteShare, f.WriteShare
	d := Decision{WriteHot: writes > writesPerRead*reads}
	switch {
	case d.WriteHot && (p.WriteHot == Pin || p.WriteHot == Deny):
		d.Action, d.Reason = Action{Kind: p.WriteHot}, ReasonWriteHot
	case d.WriteHot && (p.Staleness == 0 && f.ItemSize < strictKeepSize || reads < minKeepReads*writes || !p.fits(f)):
		d.Reason = ReasonWriteHot
	case p.Staleness == 0 && f.ItemSize < strictKeepSize:
		d.Reason, d.Saves = ReasonSmall, savedByStaleness(f.OpsPerSecond)
	case p.fits(f):
		d.Action, d.Reason = Action{Kind: Keep, Staleness: p.Staleness}, ReasonKeep
	case f.Nodes < 2:
		d.Reason = ReasonSingleNode
	default:
		d.Action = Action{Kind: Spread, Staleness: p.Staleness, Copies: copies(f.Share, f.Nodes)}
		d.Reason = ReasonSpread
	}
	return d
}

func (p Policy) fits(f Facts) bool { return f.ItemSize <= p.KeepItemBytes && f.ItemSize <= f.KeepLeft }

// copies returns over how many of n nodes a key of that share is spread.
func copies(share float64, n int) int {
	r := math.Ceil(share * float64(n) / nodeShare)
	return int(max(2, min(r, float64(n))))
}

// savedByStaleness returns which part of so many ops per second needs no request if one per AdviceStaleness will do.
func savedByStaleness(ops float64) float64 {
	return max(0, 1-ratio(1/AdviceStaleness.Seconds(), ops))
}
