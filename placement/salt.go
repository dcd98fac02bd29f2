package placement

import (
	"sync"
	"unsafe"
)

// Salted is HashRoute's option "salt" of mcrouter, which works with each of its functions: salt is put behind the key
// before f sees it. Two pools with different salts spread the same keys differently.
//
// f must not keep the key: its memory is used again for the next one.
func Salted(f Func, salt string) Func {
	if f == nil || salt == "" {
		return f
	}
	rooms := sync.Pool{New: func() any { return new([]byte) }}
	return func(key string) int {
		room := rooms.Get().(*[]byte)
		*room = append(append((*room)[:0], key...), salt...)
		node := f(unsafe.String(unsafe.SliceData(*room), len(*room)))
		rooms.Put(room)
		return node
	}
}
