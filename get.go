package memcache

import (
	"context"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// readFlags are what every read of an item returns.
const readFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS

// Get returns the item of key, from the first replica that answers. A key that is not there is ErrCacheMiss.
func (c *Client) Get(ctx context.Context, key string) (*Item, error) {
	r := c.newRequest(protocol.Get, key, readFlags)
	defer r.free()
	r.view.read.Do(ctx, r.ops[:])
	return r.item()
}

// GetForUpdate is Get from the key's home, where CompareAndSwap takes effect. Where a key has one replica it is Get; where
// it has several, Get may read another one, whose CAS the home does not know.
func (c *Client) GetForUpdate(ctx context.Context, key string) (*Item, error) {
	r := c.newRequest(protocol.Get, key, readFlags)
	defer r.free()
	r.op.ForUpdate = true
	r.view.read.Do(ctx, r.ops[:])
	return r.item()
}

// AppendGet appends the value of key to dst and returns the longer slice, as append does. On an error, a miss included,
// it returns dst as it was. With room enough in dst it allocates nothing.
func (c *Client) AppendGet(ctx context.Context, dst []byte, key string) ([]byte, error) {
	r := c.newRequest(protocol.Get, key, readFlags)
	defer r.free()
	if r.op.Dst = dst; dst == nil {
		r.op.Dst = []byte{}
	}
	r.view.read.Do(ctx, r.ops[:])
	if err := r.hit(); err != nil {
		return dst, err
	}
	return r.op.Value, nil
}

// GetAndTouch returns the item of key and gives it a new TTL at every replica; 0 means that it never expires. Where a key has
// several replicas, one that cannot be reached keeps its old TTL; that is no error.
func (c *Client) GetAndTouch(ctx context.Context, key string, ttl time.Duration) (*Item, error) {
	exptime, err := c.cfg.exptime(ttl)
	if err != nil {
		return nil, err
	}
	r := c.newRequest(protocol.GetAndTouch, key, readFlags)
	defer r.free()
	r.op.Request.Exptime = exptime
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return r.item()
}

// hit returns nil if the request was answered with a value.
func (r *request) hit() error {
	if r.op.Err != nil {
		return r.failure()
	}
	if r.op.Reply.Status != protocol.OK {
		return ErrCacheMiss
	}
	return r.unpack()
}

// unpack decompresses the value that was read, where that is wanted.
func (r *request) unpack() error {
	if r.client.cfg.compression == nil {
		return nil
	}
	return r.client.cfg.compression.unpack(&r.op)
}

// item makes an Item of the reply.
func (r *request) item() (*Item, error) {
	if err := r.hit(); err != nil {
		return nil, err
	}
	item := new(Item)
	fill(item, r.key, &r.op)
	return item, nil
}

func fill(item *Item, key string, op *route.Op) {
	item.Key, item.Value, item.Flags = key, op.Value, op.Reply.Flags
	item.CAS = CAS{op.Reply.CAS, op.Token}
}
