package placement

// SampleHash is mcrouter's hash of a routing key for everything that is decided by key but is not placement: which
// keys a shadow sees, and when within the interval of a migration a key moves (hash modulo the interval in seconds).
// It is SpookyHash V2, 32 bits, seed 0.
func SampleHash(key string) uint32 {
	return spooky32(bytesOf(key), 0)
}

// Fraction is SampleHash scaled to [0,1), the number that mcrouter compares with a shadow's key_fraction_range. It is
// evenly spread and always the same for a key, so a tenth of the keys is Fraction(key) <= 0.1.
func Fraction(key string) float64 {
	return float64(SampleHash(key)) / (1 << 32)
}
