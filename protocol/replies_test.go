package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/nohop/memcache/protocol"
)

var (
	// errClosed means that the client must close here: the rest of the conversation is not its own any more.
	errClosed = errors.New("closed")
	// errEnd means that nothing more was received.
	errEnd = fmt.Errorf("%w: end of what was received", errClosed)
)

func isErrorReply(err error) bool {
	var refused *protocol.ServerError
	return errors.Is(err, errClosed) && errors.As(err, &refused)
}

// replyReader splits what was received into lines and data blocks, as a connection does.
type replyReader struct {
	rest []byte
	err  error
}

func (in *replyReader) line() ([]byte, error) {
	line, rest, found := bytes.Cut(in.rest, []byte("\r\n"))
	if !found {
		return nil, errEnd
	}
	in.rest = rest
	return line, nil
}

func (in *replyReader) block(size int) ([]byte, error) {
	if len(in.rest) < size+2 || string(in.rest[size:size+2]) != "\r\n" {
		return nil, errors.New("data block not as announced")
	}
	block := in.rest[:size]
	in.rest = in.rest[size+2:]
	return block, nil
}

// readReply reads the whole reply to one request. A nominal reply to a quiet request does not come, so a line that
// cannot be its answer is left for the next request.
func (in *replyReader) readReply(q recordedRequest) error {
	switch q.form {
	case protocol.FormLine:
		return in.readLine(q)
	case protocol.FormStats:
		return in.readStats(q)
	}
	before := in.rest
	reply, err := in.readOne(q)
	if q.Has(protocol.Quiet) {
		hidden := err != nil && !isErrorReply(err) && !errors.Is(err, errRefused) ||
			err == nil && (isNominal(q, reply) || reply.Has(protocol.ReturnKey) != q.Has(protocol.ReturnKey) ||
				q.Has(protocol.ReturnKey) && !reply.IsKey(q.Key))
		if hidden {
			in.rest = before
			return nil
		}
	}
	if errors.Is(err, errRefused) {
		return nil
	}
	return err
}

func isNominal(q recordedRequest, reply protocol.Reply) bool {
	if q.Command == protocol.Get {
		return reply.Status == protocol.Miss
	}
	return reply.Status == protocol.OK
}

// errRefused means an error line after which the conversation goes on.
var errRefused = errors.New("refused, but in sync")

func (in *replyReader) readOne(q recordedRequest) (reply protocol.Reply, err error) {
	line, err := in.line()
	if err != nil {
		return reply, err
	}
	if err := reply.Decode(line, q.Command, q.form); err != nil {
		return reply, closeUnlessInSync(err)
	}
	if reply.Block >= 0 {
		block, err := in.block(reply.Block)
		if err != nil {
			return reply, err
		}
		if _, ok := protocol.ParseNumber(block); q.Command.IsArithmetic() && !ok {
			return reply, fmt.Errorf("%q is no number", block)
		}
	}
	return reply, sameWords(string(line), &reply, q)
}

func closeUnlessInSync(err error) error {
	var refused *protocol.ServerError
	if errors.As(err, &refused) && refused.InSync() {
		return errRefused
	}
	return fmt.Errorf("%w: %w", errClosed, err)
}

func (in *replyReader) readLine(q recordedRequest) error {
	owed := q.keys
	for {
		reply, err := in.readOne(q)
		switch {
		case err != nil:
			return err
		case reply.Status == protocol.Miss:
			return nil
		}
		i := slices.IndexFunc(owed, reply.IsKey)
		if i < 0 {
			return fmt.Errorf("value of a key that was not asked for")
		}
		owed = owed[i+1:]
	}
}

func (in *replyReader) readStats(q recordedRequest) error {
	for {
		reply, err := in.readOne(q)
		switch {
		case errors.Is(err, errRefused):
			return nil
		case err != nil || reply.Status != protocol.More:
			return err
		}
	}
}
