package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// workload is one kind of load and the clients that run it.
type workload struct {
	name, about string
	goroutines  int
	nodes       int // the first one, or all
	data        func() *dataset
	// step returns the operation of one goroutine; id makes the goroutines start at different keys.
	step    func(w worker, d *dataset, id int) func() error
	peers   []peer
	rate    int // operations per second of all goroutines; 0: as fast as the replies come
	burners int // goroutines that compute all the time in the same process
	stretch int // slices are this many times longer, 0 means 1, for percentiles of a slow rate
	goals   []goal
}

// interval is the mean time between two operations of one goroutine at a fixed rate.
func (w workload) interval() time.Duration {
	return time.Second * time.Duration(w.goroutines) / time.Duration(w.rate)
}

const (
	small = 100      // bytes of most values
	large = 64 << 10 // bytes of the others
)

var (
	floors      = []peer{peerRaw, peerPipeline}
	pipelining  = []peer{peerRueidis, peerRueidisDelayed}
	gomemcaches = []peer{peerBradfitz, peerGrafana}
	nohops      = []peer{peerNohop, peerNohopAppend}
)

func join(lists ...[]peer) []peer {
	var all []peer
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// workloads returns all of them, in the order of the report. Their names stay what they are, so that results of
// different days can be compared.
func workloads() []workload {
	all := []workload{getLoad(1), getLoad(8), getLoad(64), getLoad(512)}
	all = append(all, setLoad("set-100-64", small), setLoad("set-4k-64", 4<<10))
	all = append(all, largeLoad(1), largeLoad(8), multiLoad(1), multiLoad(8), replicatedLoad(1), replicatedLoad(64))
	return append(all, zipfLoad(), workLoad(), mixedLoad(), rateLoad("rate-2k", 2000), rateLoad("rate-15k", 15000), busyLoad())
}

func chooseWorkloads(list string) []workload {
	var chosen []workload
	for _, w := range workloads() {
		if matches(list, w.name) {
			w.goals = goalsOf[w.name]
			chosen = append(chosen, w)
		}
	}
	return chosen
}

func getLoad(goroutines int) workload {
	return workload{
		name:       fmt.Sprintf("get-%d", goroutines),
		about:      fmt.Sprintf("get 100 B, %d goroutines, 1 node", goroutines),
		goroutines: goroutines, nodes: 1,
		data: uniform(1000, small), step: getStep,
		peers: join(gomemcaches, floors, []peer{peerProxied}, pipelining, nohops),
	}
}

func setLoad(name string, size int) workload {
	return workload{
		name:       name,
		about:      fmt.Sprintf("set %d B, 64 goroutines, 1 node", size),
		goroutines: 64, nodes: 1,
		data: uniform(1000, size), step: setStep,
		peers: join(gomemcaches, floors, []peer{peerProxied}, pipelining, []peer{peerNohop}),
	}
}

func largeLoad(goroutines int) workload {
	return workload{
		name:       fmt.Sprintf("appendget-64k-%d", goroutines),
		about:      fmt.Sprintf("get 64 KiB, %d goroutines, 1 node; AppendGet where there is one", goroutines),
		goroutines: goroutines, nodes: 1,
		data: uniform(64, large), step: getStep,
		peers: join(gomemcaches, floors, []peer{peerRueidis}, nohops),
	}
}

func multiLoad(goroutines int) workload {
	return workload{
		name:       fmt.Sprintf("getmulti-100-%d", goroutines),
		about:      fmt.Sprintf("GetMulti of 100 keys of 100 B, %d goroutines, 3 nodes", goroutines),
		goroutines: goroutines, nodes: nodeCount,
		data: uniform(1000, small), step: multiStep,
		peers: join(gomemcaches, []peer{peerRaw, peerNohop}),
	}
}

func replicatedLoad(goroutines int) workload {
	return workload{
		name:       fmt.Sprintf("replset-%d", goroutines),
		about:      fmt.Sprintf("set 100 B on each of 3 nodes, %d goroutines; bradfitz with a goroutine per node", goroutines),
		goroutines: goroutines, nodes: nodeCount,
		data: uniform(1000, small), step: setStep,
		peers: []peer{peerFanOut, peerPipelineReplicated, peerNohopReplicated},
	}
}

func zipfLoad() workload {
	return workload{
		name:       "zipf-64",
		about:      "90 % get and 10 % set of 100 B, 10,000 keys by a Zipf law, 64 goroutines, 3 nodes",
		goroutines: 64, nodes: nodeCount,
		data: zipfian(10_000, small), step: readMostlyStep,
		peers: join(gomemcaches, []peer{peerPipeline}, nohops),
	}
}

func workLoad() workload {
	turns := turnsIn(5 * time.Microsecond)
	return workload{
		name:       "work-64",
		about:      "get 100 B and compute for 5 µs on each reply, 64 goroutines, 1 node",
		goroutines: 64, nodes: 1,
		data:  uniform(1000, small),
		step:  func(w worker, d *dataset, id int) func() error { return withWork(getStep(w, d, id), turns) },
		peers: join(gomemcaches, []peer{peerPipeline, peerRueidis}, nohops),
	}
}

func mixedLoad() workload {
	return workload{
		name:       "large-64",
		about:      "get 100 B, 1 in 20 gets is 64 KiB, 64 goroutines, 1 node",
		goroutines: 64, nodes: 1,
		data: mixed(1000, 20), step: getStep,
		peers: join(gomemcaches, []peer{peerPipeline, peerRueidis}, nohops),
	}
}

func rateLoad(name string, rate int) workload {
	return workload{
		name:       name,
		about:      fmt.Sprintf("get 100 B, %d per second at random moments from 64 goroutines, 1 node", rate),
		goroutines: 64, nodes: 1, rate: rate, stretch: 3,
		data: uniform(1000, small), step: getStep,
		peers: join(gomemcaches, floors, pipelining, nohops),
	}
}

func busyLoad() workload {
	return workload{
		name:       "busy-8",
		about:      "get 100 B, 8 goroutines, 1 node, two CPU-bound goroutines beside",
		goroutines: 8, nodes: 1, burners: 2,
		data: uniform(1000, small), step: getStep,
		peers: join(gomemcaches, floors, pipelining, nohops),
	}
}

// dataset is the keys and values of a workload.
type dataset struct {
	keys  []string
	sizes []int  // bytes of the value of each key
	order []int  // the sequence in which keys are used, as indices
	bytes []byte // the longest value; the others are its beginnings
}

func (d *dataset) value(key int) []byte {
	return d.bytes[:d.sizes[key]]
}

// fill stores every key.
func (d *dataset) fill(w worker) error {
	for i, key := range d.keys {
		if err := w.set(key, d.value(i)); err != nil {
			return fmt.Errorf("filling: %w", err)
		}
	}
	return nil
}

// newDataset makes count keys, used in turn, whose values have the sizes that sizeOf says.
func newDataset(count int, sizeOf func(key int) int) *dataset {
	d := &dataset{}
	longest := 0
	for i := range count {
		d.keys = append(d.keys, fmt.Sprintf("bench:%06d", i))
		d.sizes = append(d.sizes, sizeOf(i))
		d.order = append(d.order, i)
		longest = max(longest, d.sizes[i])
	}
	d.bytes = make([]byte, longest)
	for i := range d.bytes {
		d.bytes[i] = 'a' + byte(i%26)
	}
	return d
}

func uniform(count, size int) func() *dataset {
	return func() *dataset { return newDataset(count, func(int) int { return size }) }
}

// mixed makes every n-th value large.
func mixed(count, n int) func() *dataset {
	return func() *dataset {
		return newDataset(count, func(key int) int {
			if key%n == 0 {
				return large
			}
			return small
		})
	}
}

// zipfian uses the keys by a Zipf law with s = 1.1. The sequence is drawn before, because drawing costs as much as
// sending.
func zipfian(count, size int) func() *dataset {
	return func() *dataset {
		d := uniform(count, size)()
		law := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(count-1))
		d.order = make([]int, 1<<16)
		for i := range d.order {
			d.order[i] = int(law.Uint64())
		}
		return d
	}
}
