package memcachetest

// metaReplies are the meta words for the outcomes of storing.
var metaReplies = map[storeResult]string{
	stored:    "HD",
	notStored: "NS",
	exists:    "EX",
	notFound:  "NF",
}

// metaSet runs: ms <key> <length> <flags>*, then the data block. Errors up to
// the length leave the block in the stream, later ones swallow it.
func (c *conn) metaSet(w words) {
	if len(w.list) < 2 {
		c.say("ERROR")
		return
	}
	length, why := metaSetLength(w)
	if why != "" {
		c.fail(why)
		return
	}
	flags := w.list[3:]
	r, f, why := c.parseMetaSet(w.list[1], flags)
	if why != "" {
		c.fail(why)
		c.skipBlock(length)
		return
	}
	c.noreply = f.quiet
	switch refused := c.refuse(r.item, length, true); refused {
	case refusedNot:
		c.finishMetaSet(r, flags, length)
	case refusedReading:
		c.say(string(refused))
		c.skipBlock(length)
	default:
		c.fail(string(refused))
		c.skipBlock(length)
	}
}

func metaSetLength(w words) (length int, why string) {
	switch {
	case len(w.list[1]) > maxKeyLen, len(w.list) == 2:
		return 0, badFormat
	case len(w.list) > maxMetaWords:
		return 0, "CLIENT_ERROR options flags too long"
	}
	n, ok := parseInt32(w.list[2])
	if !ok || n < 0 || n > maxLength {
		return 0, badFormat
	}
	return int(n), ""
}

func (c *conn) parseMetaSet(key []byte, flags [][]byte) (r storeRequest, f metaFlags, why string) {
	f, key, why = c.parseMetaFlags(key, flags)
	if why != "" {
		return r, f, why
	}
	mode, ok := metaStoreMode(f)
	switch {
	case !ok:
		return r, f, "CLIENT_ERROR invalid mode for ms M token"
	case !opaqueFits(flags):
		return r, f, opaqueTooLong
	}
	r = storeRequest{mode: mode, stale: f.stale && mode == modeCAS}
	if !c.process.store.limits.noCAS {
		r.cas = f.cas
	}
	r.item = &item{key: string(key), flags: f.clientFlags, exptime: f.exptime}
	if f.binaryKey {
		r.item.mark |= markBinaryKey
	}
	return r, f, ""
}

func opaqueFits(flags [][]byte) bool {
	for _, flag := range flags {
		if flag[0] == 'O' && len(flag) > maxOpaqueLen {
			return false
		}
	}
	return true
}

// metaStoreMode reads the M flag. With C, set and replace become cas.
func metaStoreMode(f metaFlags) (storeMode, bool) {
	modes := map[byte]storeMode{
		0: modeSet, 'S': modeSet, 'E': modeAdd, 'A': modeAppend, 'P': modePrepend, 'R': modeReplace,
	}
	mode, ok := modes[f.mode]
	if f.hasCAS && (mode == modeSet || mode == modeReplace) {
		mode = modeCAS
	}
	return mode, ok
}

func (c *conn) finishMetaSet(r storeRequest, flags [][]byte, length int) {
	if !c.receive(r.item, length) {
		c.fail("CLIENT_ERROR bad data chunk")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	result, it := s.store(r)
	if result == stored && c.noreply {
		return
	}
	c.out.buf = append(c.out.buf, metaReplies[result]...)
	for _, flag := range flags {
		switch flag[0] {
		case 'O':
			c.appendFlag(flag)
		case 'k':
			c.appendKey(r.item.key, r.item.has(markBinaryKey))
		case 'c':
			c.appendNumber('c', casOf(it))
		}
	}
	c.endLine()
}

// casOf is the item's CAS unique, 0 if nothing was stored.
func casOf(it *item) uint64 {
	if it == nil {
		return 0
	}
	return it.cas
}
