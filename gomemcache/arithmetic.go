package memcache

import "github.com/nohop/memcache/protocol"

// Increment adds delta to the decimal number stored at key and returns the sum, wrapping at 64 bits. ErrCacheMiss if there
// is none; a value that is no number is an error too.
func (c *Client) Increment(key string, delta uint64) (newValue uint64, err error) {
	return c.count(protocol.Increment, key, delta)
}

// Decrement subtracts delta from the number at key, stopping at 0, and returns the difference. Errors are those of
// Increment.
func (c *Client) Decrement(key string, delta uint64) (newValue uint64, err error) {
	return c.count(protocol.Decrement, key, delta)
}

func (c *Client) count(command protocol.Command, key string, delta uint64) (uint64, error) {
	r := newRequest(command, key, protocol.ReturnValue)
	defer r.free()
	r.op.Request.Delta, r.op.Dst = delta, r.digits[:0]
	if err := c.do(r); err != nil {
		return 0, err
	}
	if r.op.Reply.Block < 0 { // classic text has the number on the reply line, the meta protocol in the data block
		return r.op.Reply.Number, nil
	}
	n, ok := protocol.ParseNumber(r.op.Value)
	if !ok {
		return 0, &protocol.SyntaxError{What: "the reply to arithmetic is not a number"}
	}
	return n, nil
}
