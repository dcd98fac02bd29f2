package hotkey

import (
	"math"
	"math/rand/v2"
)

// countdown counts units down to the next sample. The gaps between samples are geometric: each unit is sampled with
// probability 1/mean, whatever the size of the steps in which they come, so a sample stands for exactly mean units and
// estimates are unbiased (Poisson sampling, as heap profilers do it). A mean of 1 samples every unit.
type countdown struct {
	left  int64 // until the next sample
	given int64 // what left was when spent was last called
	mean  int64 // with which left was drawn
	scale float64
	rng   rand.PCG
}

func (c *countdown) start(mean int64, seed uint64) {
	c.rng.Seed(seed, seed^0x9e3779b97f4a7c15)
	c.setMean(mean)
	c.left = c.gap()
	c.given = c.left
}

func (c *countdown) setMean(mean int64) {
	if mean == c.mean {
		return
	}
	c.mean, c.scale = mean, 0
	if mean > 1 {
		c.scale = -1 / math.Log1p(-1/float64(mean))
	}
}

// gap draws by inversion.
func (c *countdown) gap() int64 {
	u := (float64(c.rng.Uint64()>>11) + 1) / (1 << 53) // in (0, 1]
	return max(1, int64(math.Ceil(-math.Log(u)*c.scale)))
}

// refill is called when left has reached 0 or less. It draws gaps, from now on with mean, until left is positive, and
// returns how many units the samples passed on the way stand for. Of a step of very many gaps the whole means are
// counted without dice: that is no less right, and bounds the work.
func (c *countdown) refill(mean int64) (weight int64) {
	for c.left <= 0 {
		weight += c.mean
		c.setMean(mean)
		if whole := -c.left / mean; whole > 16 {
			weight += whole * mean
			c.left += whole * mean
		}
		c.left += c.gap()
	}
	return weight
}

// spent returns the units counted since the last call.
func (c *countdown) spent() int64 {
	n := c.given - c.left
	c.given = c.left
	return n
}
