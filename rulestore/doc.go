// Package rulestore answers: how does every process of a fleet come to the same rules about hot keys, and how do the
// processes see together what none of them sees alone?
//
// None of it is needed for a correct answer: a process without the rules, or with old ones, asks the key's home. So every
// failure here ends in an error that somebody can read, and in nothing else.
//
// # Tables
//
// A Store holds one hotkey.Table for the fleet: NewMemcached keeps it in the cache itself, File in a file, and the package
// rulestore/redis in Redis. A Follower watches a store and hands on what counts here and now:
//
//	follower, err := rulestore.NewFollower(rulestore.Config{Store: store, Nodes: names})
//	go follower.Run(ctx, func(t *hotkey.Table) { rules.Store(t) }) // until ctx ends
//	follower.SetNodes(names)                                      // when they have changed
//
//	store       a change is seen within      what it is good for
//	Memcached   1.2 s and a round trip       nothing more to run
//	redis       a millisecond; else 2.4 s    where there is a Redis anyway
//	File        1.2 s                        pins and bans by people; distribution is theirs
//
// What is promised:
//
//   - A table is taken whole or refused whole: for a rule that is not valid, a key that is the library's. The last good one
//     stays, and so it does while the store is away or empty.
//   - A rule that names a node which is not there waits for it, and the node is told of as trouble. The other rules hold: all
//     processes have them by the same time, whichever nodes each of them knows yet, or knows no more.
//   - The higher epoch wins; of equal ones the greater controller. What came late does not bring back what was replaced.
//   - What has expired ends at that time, also while the store is away. Pins stay.
//   - To a table for another node list (Header.View) the names of its nodes mean nothing: rules with nodes are left out,
//     the others hold.
//
// Update changes the table of a store; of two that change it at once, one does it again on top of the other.
//
// # Pins
//
// A pin moves a key's home, so it matters when a process learns of it. One that is running sees it come and go within the
// times above. One that starts must be told how far the others may be. So a pin in a table says since when it is there; it
// does not expire; and when it is taken out it stays for PinEnding, as one that ends (hotkey.Action). Update and Publisher see
// to all that, and do not pin a key anew, or elsewhere, before that time is over (ErrPinMoves). Who writes a file by hand
// sets "ends" and "expires", and takes the rule out later.
//
// The clocks of those who write tables and those who start may differ by a minute. A pin without a time is taken as new: a
// process that starts then stores its key nowhere for D.
//
// # The view of the fleet
//
// Heat counts what is hot over all processes with counters in memcached, and tells the Detector each key's share of the
// whole: no process needs to lead for that. Pins are different, since a key can have one home only: a Publisher, elected by
// a Lease, collects what the processes send with Reports, chooses (ChoosePins), and publishes. Two publishers at once, or
// none, do no harm: pins stay where the first has put them, and until somebody ends them.
//
// All keys of the library begin with Reserved.
package rulestore
