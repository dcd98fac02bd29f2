package memcache

import "github.com/nohop/memcache/protocol"

// Set stores item, whatever was there.
func (c *Client) Set(item *Item) error { return c.store(protocol.Set, item, 0) }

// Add stores item if its key is not there, else it returns ErrNotStored.
func (c *Client) Add(item *Item) error { return c.store(protocol.Add, item, 0) }

// Replace stores item if its key is there, else it returns ErrNotStored.
func (c *Client) Replace(item *Item) error { return c.store(protocol.Replace, item, 0) }

// Append adds item.Value behind the value that is there, whose flags and expiration stay; ErrNotStored if there is none.
func (c *Client) Append(item *Item) error { return c.store(protocol.Append, item, 0) }

// Prepend adds item.Value before the value that is there, whose flags and expiration stay; ErrNotStored if there is none.
func (c *Client) Prepend(item *Item) error { return c.store(protocol.Prepend, item, 0) }

// CompareAndSwap stores item if what is there still has the version item.CasID, which a read has filled in. It returns
// ErrCASConflict if that has changed, and ErrCacheMiss if it is gone. Only the number is compared: see Item.CasID.
func (c *Client) CompareAndSwap(item *Item) error {
	return c.store(protocol.Set, item, protocol.Compare)
}

func (c *Client) store(command protocol.Command, item *Item, flags protocol.MetaFlags) error {
	r := newRequest(command, item.Key, flags)
	defer r.free()
	q := &r.op.Request
	q.Value, q.Flags, q.Exptime = item.Value, item.Flags, exptime(item.Expiration)
	q.CAS = item.CasID // without op.Token, so that the number alone counts
	return c.do(r)
}

// Touch gives key a new expiration, counted as Item.Expiration is; ErrCacheMiss if there is none.
func (c *Client) Touch(key string, seconds int32) error {
	r := newRequest(protocol.Touch, key, 0)
	defer r.free()
	r.op.Request.Exptime = exptime(seconds)
	return c.do(r)
}

// Delete removes key; ErrCacheMiss if there is none.
func (c *Client) Delete(key string) error {
	r := newRequest(protocol.Delete, key, 0)
	defer r.free()
	return c.do(r)
}
