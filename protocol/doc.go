// Package protocol answers: what do these bytes mean?
//
// It knows memcached's requests and replies as values and their two spellings, the meta protocol and classic text
// (doc/protocol.txt in memcached's source). It has no network, no goroutine and no clock.
//
// A request is checked (Check), given a form that the node's dialect can say (Plan), and appended to a buffer
// (AppendRequest). A reply is decoded line by line (Reply.Decode) as the answer to the command and form that it must belong
// to; a data block, if the line announces one, follows and is the caller's to read. ServerError.InSync is the one
// table that says after which error lines a connection may be used again.
package protocol
