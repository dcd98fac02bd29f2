package route

import "errors"

// ErrNoPart means that a route was made without one of its children, or without a Background that it needs.
var ErrNoPart = errors.New("memcache: a route lacks a child or its Background")

// checkParts returns ErrNoPart if anything is missing.
func checkParts(b *Background, children ...Route) error {
	if b == nil {
		return ErrNoPart
	}
	return checkChildren(children...)
}

func checkChildren(children ...Route) error {
	for _, c := range children {
		if c == nil {
			return ErrNoPart
		}
	}
	return nil
}
