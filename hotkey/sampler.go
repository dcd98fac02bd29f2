package hotkey

// framing is about what a request and its reply take beside key and value, in bytes: commands, flags, numbers, line ends.
const framing = 60

// Sampler watches the ops of one owner, such as a connection, on behalf of a Detector. Its methods may be called by one
// goroutine at a time; it has no lock and no atomics, so a step costs little more than a subtraction. Get one from
// Detector.NewSampler. A Sampler needs no end; Flush hands over the last few ops it counted.
//
// key is the op's key and hash the 64-bit hash that the router computed for it; the key's bytes are copied if they are
// kept. size is the number of bytes of key and value that the op moved, in either direction, or would have moved without a
// remedy; it is not negative.
type Sampler struct {
	left  int64 // of the cost's countdown; here, so that the fast path touches one cache line
	ops   int64 // since totals were last handed over
	fixed int64 // cost of an op beside its size

	cost   countdown // its left is stale outside of the slow path
	misses countdown
	d      *Detector
	eye    eyeSet // whose ops these are; none: the owner's of the detector
}

// opKind is what an op did.
type opKind uint8

const (
	hit opKind = iota
	miss
	write
)

// Read counts a read that found its key.
func (s *Sampler) Read(key string, hash uint64, size int) {
	s.ops++
	if s.left -= int64(size) + s.fixed; s.left <= 0 {
		s.sample(key, hash, size, hit)
	}
}

// Write counts an op that changes its key, or tries to: stores, deletes, arithmetic, touches.
func (s *Sampler) Write(key string, hash uint64, size int) {
	s.ops++
	if s.left -= int64(size) + s.fixed; s.left <= 0 {
		s.sample(key, hash, size, write)
	}
}

// Miss counts a read that did not find its key.
func (s *Sampler) Miss(key string, hash uint64) {
	s.ops++
	if s.left -= int64(len(key)) + s.fixed; s.left <= 0 {
		s.sample(key, hash, len(key), miss)
	}
	if s.misses.left--; s.misses.left <= 0 {
		s.sampleMiss(key, hash)
	}
}

// Flush hands over what was counted since the last sample: totals only, which would otherwise follow with the next one.
func (s *Sampler) Flush() {
	s.cost.left = s.left
	s.d.sink.count(s.totals())
}

// sample is the slow path.
//
//go:noinline
func (s *Sampler) sample(key string, hash uint64, size int, kind opKind) {
	s.cost.left = s.left
	totals := s.totals()
	weight := s.cost.refill(s.d.costMean.Load())
	s.left, s.cost.given = s.cost.left, s.cost.left
	ops := float32(weight) / float32(int64(size)+s.fixed)
	e := entry{cost: float32(weight), ops: ops, seen: 1}
	switch kind {
	case write:
		e.writes = ops
	case miss:
		e.misses = ops
	}
	s.d.sink.addOp(key, hash, s.eye, e, totals)
}

func (s *Sampler) sampleMiss(key string, hash uint64) {
	missed := s.misses.spent()
	weight := s.misses.refill(s.d.missMean.Load())
	s.misses.given = s.misses.left
	if s.d.sink.addMiss(key, hash, s.eye, entry{cost: float32(weight), seen: 1}, missed) {
		s.d.slowMisses()
	}
}

func (s *Sampler) totals() totals {
	t := totals{ops: s.ops, cost: s.cost.spent(), misses: s.misses.spent()}
	s.ops = 0
	return t
}

// totals are exact counts.
type totals struct{ ops, cost, misses int64 }

func (t *totals) add(o totals) {
	t.ops += o.ops
	t.cost += o.cost
	t.misses += o.misses
}
