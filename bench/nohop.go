package main

import (
	"context"

	memcache "github.com/nohop/memcache"
)

const (
	nameNohop       = "nohop"
	nameNohopAppend = "nohop AppendGet"
)

var (
	peerNohop           = peer{name: nameNohop, open: openNohop}
	peerNohopAppend     = peer{name: nameNohopAppend, open: openNohopAppend}
	peerNohopReplicated = peer{name: nameNohop, open: openNohopReplicated}
)

// nohopClient is this repository's client. Its workers read with Get, or with AppendGet into a buffer of their own.
type nohopClient struct {
	c         *memcache.Client
	newWorker func(nohopWorker) worker
}

func openNohop(_ *servers, nodes []string, _ int) (client, error) {
	return newNohop(func(w nohopWorker) worker { return &w }, memcache.WithServers(nodes...))
}

func openNohopAppend(_ *servers, nodes []string, _ int) (client, error) {
	return newNohop(func(w nohopWorker) worker { return &nohopAppendWorker{nohopWorker: w} }, memcache.WithServers(nodes...))
}

func openNohopReplicated(_ *servers, nodes []string, _ int) (client, error) {
	return newNohop(func(w nohopWorker) worker { return &w }, memcache.WithServers(nodes...), memcache.WithReplicated())
}

func newNohop(newWorker func(nohopWorker) worker, opts ...memcache.Option) (client, error) {
	c, err := memcache.New(append(opts, memcache.WithTimeout(timeout))...)
	if err != nil {
		return nil, err
	}
	return &nohopClient{c: c, newWorker: newWorker}, nil
}

func (n *nohopClient) worker() (worker, error) { return n.newWorker(nohopWorker{c: n.c}), nil }
func (n *nohopClient) close()                  { n.c.Close() }

type nohopWorker struct {
	c    *memcache.Client
	item memcache.Item
}

func (w *nohopWorker) get(key string) (int, error) {
	item, err := w.c.Get(context.Background(), key)
	if err != nil {
		return 0, err
	}
	return len(item.Value), nil
}

func (w *nohopWorker) set(key string, value []byte) error {
	w.item.Key, w.item.Value = key, value
	return w.c.Set(context.Background(), &w.item)
}

func (w *nohopWorker) getMulti(keys []string) (int, error) {
	items, err := w.c.GetMulti(context.Background(), keys)
	return len(items), err
}

type nohopAppendWorker struct {
	nohopWorker
	buffer []byte
}

func (w *nohopAppendWorker) get(key string) (int, error) {
	value, err := w.c.AppendGet(context.Background(), w.buffer[:0], key)
	w.buffer = value
	return len(value), err
}
