package mcjson

// foreach merges what "use" makes of the first "top" elements that satisfy "where". Without "use" it keeps the elements.
func (c *call) foreach() (*Value, error) {
	from, err := c.argOf("from", Object, Array)
	if err != nil {
		return nil, err
	}
	keyName, itemName, err := c.localNames("key", "item")
	if err != nil {
		return nil, err
	}
	top, err := c.top(from)
	if err != nil {
		return nil, err
	}
	elements, err := c.elements(from)
	if err != nil {
		return nil, err
	}
	result := &union{call: c}
	for _, el := range elements {
		if top == 0 {
			break
		}
		s := c.scope.inner()
		s.bind(keyName, el.key)
		s.bind(itemName, el.item)
		matches, err := c.where(s)
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		if err := c.use(result, el, from.Kind, s); err != nil {
			return nil, err
		}
		top--
	}
	if result.started {
		return result.value()
	}
	if c.args["noMatchResult"] != nil {
		return c.arg("noMatchResult")
	}
	return c.made(Value{Kind: from.Kind})
}

// top returns the largest number of elements to take.
func (c *call) top(from *Value) (int64, error) {
	if c.args["top"] == nil {
		return int64(length(from)), nil
	}
	top, err := c.argOf("top", Int)
	if err != nil {
		return 0, err
	}
	if top.Int < 0 {
		return 0, c.errorf("top is %d, want 0 or more", top.Int)
	}
	return top.Int, nil
}

func (c *call) where(s *scope) (bool, error) {
	if c.args["where"] == nil {
		return true, nil
	}
	v, err := c.e.expand(c.args["where"], s)
	if err != nil {
		return false, err
	}
	return v.Bool, c.wantKind("where", v, Bool)
}

func (c *call) use(result *union, el element, kind Kind, s *scope) error {
	if c.args["use"] != nil {
		v, err := c.e.expand(c.args["use"], s)
		if err != nil {
			return err
		}
		return result.add(v)
	}
	result.started, result.kind = true, kind
	if kind == Array {
		result.items = append(result.items, el.item)
	} else {
		result.members.put(Member{Name: el.key.Str, Pos: el.pos, Value: el.item})
	}
	return nil
}

// union is arrays joined, or objects put together; the first one decides which.
type union struct {
	call    *call
	started bool
	kind    Kind
	items   []*Value
	members members
}

func (u *union) add(v *Value) error {
	if !u.started {
		if err := u.call.wantKind("use", v, Object, Array); err != nil {
			return err
		}
		u.started, u.kind = true, v.Kind
	}
	if err := u.call.wantKind("use", v, u.kind); err != nil {
		return err
	}
	if err := u.call.spend(length(v)); err != nil {
		return err
	}
	u.items = append(u.items, v.Items...)
	for _, member := range v.Members {
		u.members.put(member)
	}
	return nil
}

func (u *union) value() (*Value, error) {
	if u.kind == Array {
		return u.call.madeArray(u.items)
	}
	return u.call.madeObject(&u.members)
}
