// Package protocol answers: what do these bytes mean?
//
// It holds memcached's requests and replies as values, and their two spellings, the meta protocol and classic text
// (doc/protocol.txt in memcached's source). It has no network, no goroutine and no clock.
//
// A request is checked (Check), given the form that the node's dialect can say (Plan), and appended to a buffer
// (AppendRequest). Nothing that has passed Check and Plan is refused by a server of that dialect because of how it is
// written, or read as anything but one command.
//
// A reply is decoded line by line (Reply.Decode), as the answer to the command and form that it must belong to. If
// the line announces a data block, that follows and is the caller's to read. ServerError.InSync is the one table that
// says after which error lines a connection may be used again.
package protocol
