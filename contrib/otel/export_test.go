package memcacheotel

// DurationBounds are those of the histogram of durations.
var DurationBounds = durationBounds
