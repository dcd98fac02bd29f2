package memcache

import (
	"context"
	"errors"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Increment adds delta to the decimal number stored at key and returns the sum, wrapping at 64 bits. ErrCacheMiss if there
// is none; an *OpError with Outcome Refused if the value is not a number. With ErrPartialWrite, under RequireAll, the sum
// stands and is returned beside the error: the home has counted, and another replica could not be cleared of what it held
// before.
func (c *Client) Increment(ctx context.Context, key string, delta uint64) (uint64, error) {
	return c.count(ctx, protocol.Increment, key, delta)
}

// Decrement subtracts delta from the number at key, stopping at 0, and returns the difference. Errors are those of
// Increment.
func (c *Client) Decrement(ctx context.Context, key string, delta uint64) (uint64, error) {
	return c.count(ctx, protocol.Decrement, key, delta)
}

func (c *Client) count(ctx context.Context, command protocol.Command, key string, delta uint64) (uint64, error) {
	r := c.newRequest(command, key, protocol.ReturnValue)
	defer r.free()
	r.op.Request.Delta, r.op.Dst = delta, r.digits[:0]
	if err := c.do(ctx, r); errors.Is(err, ErrPartialWrite) {
		n, _ := number(&r.op)
		return n, err
	} else if err != nil {
		return 0, err
	}
	if r.op.Reply.Status != protocol.OK {
		return 0, statusError(r.op.Reply.Status)
	}
	return number(&r.op)
}

// number returns the new number: on the reply line in classic text, in the data block in the meta protocol.
func number(op *route.Op) (uint64, error) {
	if op.Reply.Block < 0 {
		return op.Reply.Number, nil
	}
	n, ok := protocol.ParseNumber(op.Value)
	if !ok {
		return 0, &protocol.SyntaxError{What: "the reply to arithmetic is not a number"}
	}
	return n, nil
}
