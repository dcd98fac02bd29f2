package redis

import "context"

// within calls the client, and returns when ctx ends if that is earlier. go-redis does not look at a context while it dials
// or reads: a call to a server that hangs goes on until the client's own timeouts (5 s and less, unless set otherwise) or
// its Close.
func within[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// withinErr is within for calls that return nothing else.
func withinErr(ctx context.Context, call func() error) error {
	_, err := within(ctx, func() (struct{}, error) { return struct{}{}, call() })
	return err
}
