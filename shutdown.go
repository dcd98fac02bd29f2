package memcache

import "context"

// Shutdown is Close for a process that ends in peace: from now on new operations fail with ErrClosed, while those that are
// under way, loads of GetOrLoad and what routes do in the background included, go on until they are done or ctx ends. Then
// it closes the client. The error is that of ctx if something was cut short. What waits for a node that is away, like the
// deletes that it has missed, is not waited for.
func (c *Client) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true // the view stays what it is
		c.lastView.Store(c.view.Load())
		c.view.Store(closedView)
	}
	c.mu.Unlock()
	err := c.gate.wait(ctx)
	c.late.Stop()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		c.background.Close()
	}()
	if err == nil {
		err = c.await(ctx, drained)
	}
	c.Close()
	<-drained
	return err
}

func (c *Client) await(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// viewOfWork is the view for what was under way before Shutdown.
func (c *Client) viewOfWork() *view {
	v := c.view.Load()
	if v != closedView {
		return v
	}
	if last := c.lastView.Load(); last != nil { // it is set before the view is closed
		return last
	}
	return v
}
