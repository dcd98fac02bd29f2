package route

// withoutChildren is a handle whose list of children is empty.
func (o *configOptions) withoutChildren() Route {
	o.warn(o.at, "%s has no children: it answers as NullRoute does", o.kind)
	return Null()
}

// spread builds a handle that sends to all of its children. As a placement they stand in the order of the file, which
// matters to AllInitialRoute; where read-modify-writes come by, over sees to their home.
func (o *configOptions) spread(least int, build func(Placement) (Route, error)) (Route, error) {
	children := o.children("children")
	switch {
	case o.err != nil:
		return nil, nil
	case len(children) == 0:
		return o.withoutChildren(), nil
	case len(children) < least:
		return children[0].route, nil
	}
	routes := o.reader.setOf(children).routes()
	if len(routes) > maxSpread {
		o.fail(o.at, "%s has %d children, more than %d", o.kind, len(routes), maxSpread)
		return nil, nil
	}
	if len(routes) < len(children) {
		o.warn(o.at, "%s has a child twice; it is sent to once", o.kind)
	}
	made, err := build(Fixed(routes...))
	o.self.spreads = true
	return o.over(children, made), err
}

func buildAllSync(o *configOptions) (Route, error) {
	return o.spread(2, func(p Placement) (Route, error) { return AllSync(p), nil })
}

func buildAllFastest(o *configOptions) (Route, error) {
	return o.spread(2, func(p Placement) (Route, error) { return AllFastest(p, FastestOptions{}, o.reader.env.Background) })
}

func buildAllMajority(o *configOptions) (Route, error) {
	return o.spread(2, func(p Placement) (Route, error) { return AllMajority(p, o.reader.env.Background) })
}

func buildAllInitial(o *configOptions) (Route, error) {
	return o.spread(2, func(p Placement) (Route, error) { return AllInitial(p, o.reader.env.Background) })
}

// buildAllAsync answers at once with a single child too.
func buildAllAsync(o *configOptions) (Route, error) {
	return o.spread(1, func(p Placement) (Route, error) { return AllAsync(p, o.reader.env.Background) })
}
