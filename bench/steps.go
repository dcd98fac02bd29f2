package main

import "fmt"

// stride sets the goroutines apart in the sequence of keys; it is prime to the length of every sequence.
const stride = 7919

// multiKeys is how many keys one GetMulti asks for.
const multiKeys = 100

// cursor walks through a dataset's sequence of keys, round and round.
type cursor struct {
	d    *dataset
	next int
}

func newCursor(d *dataset, id int) cursor {
	return cursor{d: d, next: id * stride % len(d.order)}
}

// key returns the index of the next key.
func (c *cursor) key() int {
	key := c.d.order[c.next]
	if c.next++; c.next == len(c.d.order) {
		c.next = 0
	}
	return key
}

// getStep reads the next key and checks the length of its value: a client that is fast and wrong does not count.
func getStep(w worker, d *dataset, id int) func() error {
	c := newCursor(d, id)
	return func() error { return getKey(w, d, c.key()) }
}

func getKey(w worker, d *dataset, key int) error {
	size, err := w.get(d.keys[key])
	if err != nil {
		return err
	}
	if size != d.sizes[key] {
		return fmt.Errorf("got a value of %d bytes, want %d", size, d.sizes[key])
	}
	return nil
}

func setStep(w worker, d *dataset, id int) func() error {
	c := newCursor(d, id)
	return func() error {
		key := c.key()
		return w.set(d.keys[key], d.value(key))
	}
}

// readMostlyStep makes every tenth operation a set.
func readMostlyStep(w worker, d *dataset, id int) func() error {
	c := newCursor(d, id)
	turn := id
	return func() error {
		key := c.key()
		turn++
		if turn%10 == 0 {
			return w.set(d.keys[key], d.value(key))
		}
		return getKey(w, d, key)
	}
}

// multiStep reads 100 neighbouring keys at once. The dataset's keys are a multiple of that.
func multiStep(w worker, d *dataset, id int) func() error {
	batch := id
	return func() error {
		batch++
		from := batch * multiKeys % len(d.keys)
		found, err := w.getMulti(d.keys[from : from+multiKeys])
		if err != nil {
			return err
		}
		if found != multiKeys {
			return fmt.Errorf("found %d of %d keys", found, multiKeys)
		}
		return nil
	}
}

// withWork computes for some turns of spin after each operation.
func withWork(step func() error, turns int) func() error {
	x := uint64(1)
	return func() error {
		err := step()
		x = spin(turns, x)
		return err
	}
}
