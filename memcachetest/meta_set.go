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
	r, why := c.parseMeta(w.list[1], w.list[3:])
	if why == "" {
		why = r.checkSet()
	}
	if why != "" {
		c.fail(why)
		c.skipBlock(length)
		return
	}
	c.noreply = r.quiet
	store := c.newMetaStore(r)
	switch refused := c.refuse(store.item, length); refused {
	case refusedNot:
		c.finishMetaSet(store, r, length)
	case refusedReading:
		c.say(string(refused))
		c.skipBlock(length)
	default:
		c.dropOld(store.item.key)
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

// checkSet returns the error line for flags that ms does not accept, or "".
func (r *metaRequest) checkSet() string {
	_, ok := r.storeMode()
	switch {
	case !ok:
		return "CLIENT_ERROR invalid mode for ms M token"
	case !r.opaqueFits():
		return opaqueTooLong
	}
	return ""
}

func (c *conn) newMetaStore(r *metaRequest) storeRequest {
	mode, _ := r.storeMode()
	store := storeRequest{mode: mode, stale: r.stale && mode == modeCAS}
	if !c.process.store.limits.noCAS {
		store.cas = r.cas
	}
	store.item = &item{key: string(r.key), flags: r.clientFlags, exptime: r.exptime, mark: r.keyMark}
	return store
}

// storeMode reads the M flag. With C, set and replace become cas.
func (r *metaRequest) storeMode() (storeMode, bool) {
	modes := map[byte]storeMode{
		0: modeSet, 'S': modeSet, 'E': modeAdd, 'A': modeAppend, 'P': modePrepend, 'R': modeReplace,
	}
	mode, ok := modes[r.mode]
	if r.hasCAS && (mode == modeSet || mode == modeReplace) {
		mode = modeCAS
	}
	return mode, ok
}

func (c *conn) finishMetaSet(request storeRequest, r *metaRequest, length int) {
	if !c.receive(request.item, length) {
		c.fail("CLIENT_ERROR bad data chunk")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	result, it := s.store(request)
	if result == stored && c.noreply {
		return
	}
	c.out.buf = append(c.out.buf, metaReplies[result]...)
	for _, flag := range r.flags {
		switch flag[0] {
		case 'O':
			c.appendFlag(flag)
		case 'k':
			c.appendKey(string(r.key), r.keyMark)
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
