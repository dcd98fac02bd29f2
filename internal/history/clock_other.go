//go:build !linux

package history

import "time"

var (
	processStart = time.Now()
	wallStart    = processStart.UnixNano()
)

// Now returns the time of a clock that all processes of this machine share, if nobody sets the wall clock between their
// starts: it counts monotonically from the wall clock's time at the start of the process.
func Now() Time { return Time(wallStart + int64(time.Since(processStart))) }
