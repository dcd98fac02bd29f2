package discovery

import (
	"context"
	"net/netip"
)

// countingResolver shows when a look-up of addresses begins and holds it until leave is closed.
type countingResolver struct {
	Resolver
	enter chan int
	leave chan struct{}
}

func (c *countingResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	c.enter <- 1
	<-c.leave
	return c.Resolver.LookupNetIP(ctx, network, host)
}
