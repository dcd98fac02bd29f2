package protocol

import (
	"bytes"
	"strconv"
)

// ErrorKind is the family of an error line (doc/protocol.txt, "Error strings").
type ErrorKind uint8

// The families.
const (
	KindError       ErrorKind = iota + 1 // ERROR: the server does not know the command
	KindClientError                      // CLIENT_ERROR: the server could not read the request
	KindServerError                      // SERVER_ERROR: the server could not do it
)

// ServerError is an error line that a server answered with.
type ServerError struct {
	Kind ErrorKind
	Text string // the whole line, at most 256 bytes

	toStats bool // it says of the group of Stats what else it says of the command
}

func (e *ServerError) Error() string {
	text := "memcache: server answered " + strconv.Quote(e.Text)
	if e.Cause() == CauseUnknownGroup {
		text += ": it does not know this group of statistics"
	}
	return text
}

// InSync reports whether the connection can be used after the error: whether the server is known, in every
// version, to wait for the next command. All other error lines close the connection: some servers read the data block
// that they refused as commands.
func (e *ServerError) InSync() bool {
	_, ok := e.known()
	return ok
}

// Cause returns why the request was refused, or CauseOther.
func (e *ServerError) Cause() Cause {
	known, _ := e.known()
	return known.cause
}

// known returns what the table has for e.
func (e *ServerError) known() (known inSync, ok bool) {
	known, ok = inSyncErrors[e.Text]
	if known.cause == CauseUnknownGroup && !e.toStats {
		return inSync{}, false
	}
	return known, ok
}

// Cause is a reason for a refusal that callers may branch on.
type Cause uint8

// The causes.
const (
	CauseOther        Cause = iota
	CauseTooLarge           // the value is larger than the server's item limit
	CauseNoMemory           // the server has no memory left and may not evict
	CauseNotANumber         // arithmetic on a value that is not a decimal number
	CauseUnknownGroup       // Stats of a group that the server does not know
)

// inSync is what is known of an error line that leaves the connection in sync.
type inSync struct {
	cause Cause
	to    commandSet
}

// inSyncErrors is the table of the error lines after which the connection is still in sync: the server has read the
// data block, if there was one, and answers the next command. Recorded on memcached 1.4.39 to 1.6.45. An error line
// carries no opaque, so one that cannot answer the command is taken as a shifted reply. ERROR can answer every command, but only
// after Stats, which has no data block and where all versions say it of a group that they do not know, is it in sync.
var inSyncErrors = map[string]inSync{
	"SERVER_ERROR object too large for cache":                      {CauseTooLarge, stores},
	"SERVER_ERROR out of memory storing object":                    {CauseNoMemory, stores},
	"SERVER_ERROR Out of memory during read":                       {CauseNoMemory, stores},
	"CLIENT_ERROR cannot increment or decrement non-numeric value": {CauseNotANumber, arithmetic},
	"ERROR": {CauseUnknownGroup, commands(Stats)},
}

var errorFamilies = [...]struct {
	prefix string
	kind   ErrorKind
}{
	{"ERROR", KindError},
	{"CLIENT_ERROR", KindClientError},
	{"SERVER_ERROR", KindServerError},
	{"Error ", KindError}, // "Error TLS not enabled"
}

const maxErrorText = 256 // bytes kept of an error line

// errorLine returns a *ServerError if line is an error line that can answer c, else a *SyntaxError.
func errorLine(line []byte, c Command) error {
	known, ok := inSyncErrors[string(line)]
	toStats := known.cause == CauseUnknownGroup && known.to.has(c)
	if ok && known.cause != CauseUnknownGroup && !known.to.has(c) {
		return syntaxError("error line does not fit the command", line)
	}
	for _, f := range errorFamilies {
		if bytes.HasPrefix(line, []byte(f.prefix)) {
			return &ServerError{Kind: f.kind, Text: string(line[:min(len(line), maxErrorText)]), toStats: toStats}
		}
	}
	return syntaxError("unexpected reply", line)
}
