package sflow

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/protocol"
)

var _ memcache.Observer = (*Exporter)(nil)

// marked is the context of a call of which a key is sampled. Which one was decided when the call began, as its duration has
// to be measured from there.
type marked struct {
	context.Context
	exporter *Exporter
	began    time.Time
	chosen   []chosen
}

type chosen struct {
	key  int   // index among those of the call
	pool int64 // operations there were to choose from, so far
}

// Value returns the mark for the exporter that made it, so that several exporters of a client do not meet.
func (m *marked) Value(key any) any {
	if key == m.exporter {
		return m
	}
	return m.Context.Value(key)
}

// Start makes an Exporter a memcache.Observer: see memcache.WithObserver. Each key of a call is an operation. A call of which
// no key is sampled costs an atomic subtraction and a load here and a load in End, and allocates nothing.
func (e *Exporter) Start(ctx context.Context, call memcache.Call) context.Context {
	if e == nil {
		return ctx
	}
	left := e.left.Add(-int64(call.Keys))
	if left > 0 && e.marked.Load() == 0 {
		return ctx
	}
	return e.mark(ctx, call, left)
}

// mark marks a call of which a key is sampled, and one within such a call: its End must not find the other's mark.
//
//go:noinline
func (e *Exporter) mark(ctx context.Context, call memcache.Call, left int64) context.Context {
	var list []chosen
	if left <= 0 {
		list = e.choose(call.Keys)
	}
	if len(list) == 0 && ctx.Value(e) == nil {
		return ctx
	}
	e.marked.Add(1)
	return &marked{Context: ctx, exporter: e, began: time.Now(), chosen: list}
}

// choose returns which of the last n operations are samples: those at which the countdown ran out, unless another call has
// them already.
func (e *Exporter) choose(n int) (list []chosen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	left, next := e.left.Load(), 0
	for left <= 0 && next < n && !e.closed {
		key := max(next, n-1+int(max(left, -int64(n))))
		list = append(list, chosen{key, e.armed})
		left, next = e.armLocked(), key+1
	}
	return list
}

// End takes the samples of a call that Start has chosen.
func (e *Exporter) End(ctx context.Context, call memcache.Call, result memcache.Result) {
	if e == nil || e.marked.Load() == 0 {
		return
	}
	m, ok := ctx.Value(e).(*marked)
	if !ok {
		return
	}
	e.marked.Add(-1)
	took := time.Since(m.began)
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range m.chosen {
		if !e.closed {
			e.queueLocked(operationOf(call, result.Key(c.key), took), c.pool)
		}
	}
}

// Event does nothing: what happens to nodes is no operation.
func (e *Exporter) Event(memcache.Event) {}

func operationOf(call memcache.Call, k memcache.KeyResult, took time.Duration) Operation {
	node, _ := netip.ParseAddrPort(k.Addr) // the zero value for a name and for a unix socket
	return Operation{
		Command:    commandOf(call),
		Key:        k.Key,
		Keys:       call.Keys,
		ValueBytes: k.Bytes,
		Duration:   took,
		Status:     statusOf(call.Command, k),
		Node:       node,
	}
}

// GetAndTouch has no number of its own in sflow_memcache.txt, and is a read to whoever adds up bytes.
var commandNumbers = map[protocol.Command]Command{
	protocol.Get: Get, protocol.GetAndTouch: Get, protocol.Touch: Touch,
	protocol.Set: Set, protocol.Add: Add, protocol.Replace: Replace, protocol.Append: Append, protocol.Prepend: Prepend,
	protocol.Delete: Delete, protocol.Increment: Incr, protocol.Decrement: Decr,
}

func commandOf(call memcache.Call) Command {
	if call.Compare && call.Command == protocol.Set {
		return CAS
	}
	return commandNumbers[call.Command]
}

func statusOf(command protocol.Command, k memcache.KeyResult) Status {
	if k.Err != nil {
		return statusOfError(k.Err)
	}
	switch k.Status {
	case protocol.Miss:
		return NotFound
	case protocol.NotStored:
		return NotStored
	case protocol.Exists:
		return Exists
	case protocol.OK:
		return done(command)
	}
	return Unknown
}

// done is how a server says that a command was carried out.
func done(command protocol.Command) Status {
	switch {
	case command.IsStore():
		return Stored
	case command == protocol.Delete:
		return Deleted
	}
	return OK
}

func statusOfError(err error) Status {
	var answer *protocol.ServerError
	if !errors.As(err, &answer) {
		return Unknown // no answer came
	}
	switch answer.Kind {
	case protocol.KindClientError:
		return ClientError
	case protocol.KindServerError:
		return ServerError
	}
	return Error
}
