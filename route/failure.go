package route

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strings"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Failure is a set of kinds of failure, by which routes decide whether another node may serve what one could not.
type Failure uint16

// The kinds. An error can be of several: a node is down because it could not be connected to.
const (
	FailTimeout        Failure = 1 << iota // no answer within the try; what the node does with it is not known
	FailConnectTimeout                     // no connection within the dial timeout
	FailConnect                            // the connection was refused, or the host cannot be reached
	FailDown                               // the node is down or suspect: nothing was sent
	FailBroken                             // the connection broke with the request under way
	FailServer                             // the node answered SERVER_ERROR, not FailBusy
	FailClient                             // the node answered CLIENT_ERROR or ERROR
	FailClosed                             // the node has left the view, or the client is closed
	FailContext                            // the caller's context ended
	FailRequest                            // the request was refused before it was sent: any node would
	FailOther
	FailBusy // SERVER_ERROR 307: a proxy in the node's place has no room for the request
)

// FailNode are the failures that are one node's, so that another may do better: all but those of the request, the caller
// and a node that could not read the request.
const FailNode = FailTimeout | FailConnectTimeout | FailConnect | FailDown | FailBroken | FailServer | FailClosed | FailOther | FailBusy

// FailureOf returns what kind of failure err is; 0 for nil. Of a node that is down, why it is so does not count, unless it
// is that it could not be connected to.
func FailureOf(err error) Failure {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, pool.ErrNodeDown):
		return FailDown | dialKind(err)
	}
	kinds := answeredKind(err) | dialKind(err)
	for _, k := range failureKinds {
		if errors.Is(err, k.err) {
			kinds |= k.kind
		}
	}
	return cmp.Or(kinds, FailOther)
}

var failureKinds = [...]struct {
	err  error
	kind Failure
}{
	{pool.ErrTimeout, FailTimeout},
	{pool.ErrBroken, FailBroken},
	{pool.ErrClosed, FailClosed},
	{pool.ErrSomeRefused, FailServer},
	{pool.ErrTooLarge, FailRequest},
	{pool.ErrForeignCAS, FailRequest}, // the item must be read again: its CAS is no good where it would move on to
	{protocol.ErrMalformedKey, FailRequest},
	{protocol.ErrInvalidRequest, FailRequest},
	{protocol.ErrInvalidTTL, FailRequest},
	{context.Canceled, FailContext},
	{context.DeadlineExceeded, FailContext},
}

func answeredKind(err error) Failure {
	var answered *protocol.ServerError
	switch {
	case !errors.As(err, &answered):
		return 0
	case strings.HasPrefix(answered.Text, busyText):
		return FailBusy
	case answered.Kind == protocol.KindServerError:
		return FailServer
	}
	return FailClient
}

// busyText is how mcrouter says "busy" in the text protocol.
const busyText = "SERVER_ERROR 307"

func dialKind(err error) Failure {
	var dial *net.OpError
	switch {
	case !errors.As(err, &dial) || dial.Op != "dial":
		return 0
	case dial.Timeout():
		return FailConnectTimeout
	}
	return FailConnect
}
