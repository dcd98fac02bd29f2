package faultproxy

import "time"

// Faults is what is wrong between the clients and the node. The zero value is a good network.
type Faults struct {
	Connect  Connect
	ToNode   Link
	ToClient Link
	Replies  Rewrite
}

// Connect is what becomes of new connections.
type Connect uint8

// What can become of new connections.
const (
	Serve  Connect = iota // they are carried to the node; reset at once if the node does not accept
	Refuse                // nobody listens
	Silent                // they are accepted, and nothing is ever answered on them, healed or not
)

// Link is one direction of a connection. All of it applies together.
type Link struct {
	Delay          time.Duration // how late bytes arrive
	Jitter         time.Duration // up to how much later, at random; order stays
	Spread         time.Duration // up to how much later on this connection than on others: some paths are longer
	BytesPerSecond int           // bandwidth; 0: unlimited
	Chunk          int           // most bytes of one write, 1 for byte by byte; 0: as they come
	Drip           time.Duration // pause after each write
	Flow           Flow
	Cut            Cut
	CutAt          int // bytes that still pass after the fault is set, or on a connection opened later, before the cut
}

// Flow is whether bytes move at all.
type Flow uint8

// The states of a flow.
const (
	Pass      Flow = iota
	Stall          // bytes wait, and pass when the fault ends: packets lost for a while
	Blackhole      // bytes vanish, and the connection stays dead for ever: TCP gave up and told nobody
)

// Cut is how a connection ends in the middle.
type Cut uint8

// The ends of a connection.
const (
	NoCut Cut = iota
	FIN       // the receiver sees an orderly end, the sender that its peer has gone
	RST       // both see a reset
)

// Rewrite makes the node's replies wrong. Only a client that checks each reply against its request notices all of these;
// where a reply says nothing of its request, as that of a set, no client can.
type Rewrite struct {
	Kind  RewriteKind
	Every int // one of so many replies, at random; below 2: each
}

// RewriteKind is what is done to a reply.
type RewriteKind uint8

// What can be done to a reply.
const (
	NoRewrite      RewriteKind = iota
	StrayLine                  // a line that nobody asked for comes before it
	CorruptLength              // it announces another length than its value has; replies without a value pass
	SwapReplies                // it comes after the next one, or never if there is none
	DuplicateReply             // it comes twice
)
