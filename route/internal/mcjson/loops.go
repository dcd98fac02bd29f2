package mcjson

// loops returns the macros that run over a collection. They expand some of their arguments once for each element, with names
// for its key (the index, in an array) and its value, and are called by objects only.
func loops() map[string]*macro {
	optional := func(name string) param { return param{name: name, optional: true} }
	return map[string]*macro{
		"transform": {name: "transform", run: (*call).transform, params: []param{
			{name: "dictionary"}, optional("itemTransform"), optional("keyTransform"), optional("itemName"), optional("keyName")}},
		"process": {name: "process", run: (*call).process, params: []param{
			{name: "dictionary"}, {name: "initialValue"}, {name: "transform"},
			optional("itemName"), optional("keyName"), optional("valueName")}},
		"foreach": {name: "foreach", run: (*call).foreach, params: []param{
			{name: "from"}, optional("where"), optional("use"), optional("top"), optional("noMatchResult"),
			optional("key"), optional("item")}},
	}
}

// element is one turn of a loop.
type element struct {
	key, item *Value
	pos       Pos // of the key
}

func (c *call) elements(of *Value) ([]element, error) {
	if err := c.spend(length(of)); err != nil {
		return nil, err
	}
	list := make([]element, 0, length(of))
	for i, item := range of.Items {
		list = append(list, element{key: c.int(int64(i)), item: item, pos: item.Pos})
	}
	for _, member := range of.Members {
		key := text(member.Name, member.Pos)
		key.frame = of.frame
		list = append(list, element{key: key, item: member.Value, pos: member.Pos})
	}
	return list, nil
}

// localName returns the name that an argument gives to a local, which is taken as it is written.
func (c *call) localName(arg, otherwise string) (string, error) {
	name := c.args[arg]
	if name == nil {
		return otherwise, nil
	}
	return name.Str, c.wantKind(arg, name, String)
}

// localNames returns the names for key and item.
func (c *call) localNames(keyArg, itemArg string) (key, item string, err error) {
	if key, err = c.localName(keyArg, "key"); err != nil {
		return "", "", err
	}
	if item, err = c.localName(itemArg, "item"); err != nil {
		return "", "", err
	}
	if key == item {
		return "", "", c.errorf("%s and %s are both %q", keyArg, itemArg, key)
	}
	return key, item, nil
}

// transform replaces the elements of an array, or the keys and values of an object. A list of keys gives the value to all of
// them, an empty list drops it.
func (c *call) transform() (*Value, error) {
	in, err := c.argOf("dictionary", Object, Array)
	if err != nil {
		return nil, err
	}
	keyName, itemName, err := c.localNames("keyName", "itemName")
	if err != nil {
		return nil, err
	}
	elements, err := c.elements(in)
	if err != nil {
		return nil, err
	}
	if in.Kind == Array {
		return c.transformArray(elements, keyName, itemName)
	}
	var result members
	for _, el := range elements {
		s := c.scope.inner()
		s.bind(keyName, el.key)
		s.bind(itemName, el.item)
		if err := c.transformMember(&result, el, s); err != nil {
			return nil, err
		}
	}
	return c.madeObject(&result)
}

func (c *call) transformArray(elements []element, keyName, itemName string) (*Value, error) {
	if len(elements) > 0 && c.args["itemTransform"] == nil {
		return nil, c.errorf("an array needs itemTransform")
	}
	items := make([]*Value, len(elements))
	for i, el := range elements {
		s := c.scope.inner()
		s.bind(keyName, el.key)
		s.bind(itemName, el.item)
		var err error
		if items[i], err = c.e.expand(c.args["itemTransform"], s); err != nil {
			return nil, err
		}
	}
	return c.madeArray(items)
}

func (c *call) transformMember(result *members, el element, s *scope) error {
	keys, err := c.expandOr("keyTransform", el.key, s)
	if err != nil {
		return err
	}
	if err := c.wantKind("the transformed key", keys, String, Array); err != nil {
		return err
	}
	list := keys.Items
	if keys.Kind == String {
		list = []*Value{keys}
	}
	if len(list) == 0 {
		return nil
	}
	if err := c.spend(len(list)); err != nil {
		return err
	}
	item, err := c.expandOr("itemTransform", el.item, s)
	if err != nil {
		return err
	}
	for _, key := range list {
		if err := c.wantKind("an element of the transformed key", key, String); err != nil {
			return err
		}
		result.put(Member{Name: key.Str, Pos: el.pos, Value: item})
	}
	return nil
}

// expandOr expands an argument in s; where it is left out it is otherwise.
func (c *call) expandOr(arg string, otherwise *Value, s *scope) (*Value, error) {
	if c.args[arg] == nil {
		return otherwise, nil
	}
	return c.e.expand(c.args[arg], s)
}

// process carries a value through the elements.
func (c *call) process() (*Value, error) {
	in, err := c.argOf("dictionary", Object, Array)
	if err != nil {
		return nil, err
	}
	value, err := c.arg("initialValue")
	if err != nil {
		return nil, err
	}
	keyName, itemName, err := c.localNames("keyName", "itemName")
	if err != nil {
		return nil, err
	}
	valueName, err := c.localName("valueName", "value")
	if err != nil {
		return nil, err
	}
	if valueName == keyName || valueName == itemName {
		return nil, c.errorf("valueName is %q, as another name is", valueName)
	}
	elements, err := c.elements(in)
	if err != nil {
		return nil, err
	}
	for _, el := range elements {
		s := c.scope.inner()
		s.bind(keyName, el.key)
		s.bind(itemName, el.item)
		s.bind(valueName, value)
		if value, err = c.e.expand(c.args["transform"], s); err != nil {
			return nil, err
		}
	}
	return value, nil
}
