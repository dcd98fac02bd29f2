package memcachetest

// lruList orders items by use, newest first. It is not safe for concurrent use.
type lruList struct {
	newest, oldest *item
}

func (l *lruList) push(it *item) {
	it.older, it.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = it
	}
	l.newest = it
	if l.oldest == nil {
		l.oldest = it
	}
}

func (l *lruList) remove(it *item) {
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		l.newest = it.older
	}
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		l.oldest = it.newer
	}
	it.newer, it.older = nil, nil
}

func (l *lruList) touch(it *item) {
	if l.newest == it {
		return
	}
	l.remove(it)
	l.push(it)
}
