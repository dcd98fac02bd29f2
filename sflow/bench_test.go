package sflow

import (
	"context"
	"net"
	"testing"
)

// BenchmarkObserve is what an operation pays, sampled one in 1,000.
func BenchmarkObserve(b *testing.B) {
	e, err := NewExporter(Config{
		Collectors: []string{"x"},
		Dial:       func(context.Context, string, string) (net.Conn, error) { return new(void), nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	b.ReportAllocs()
	for b.Loop() {
		e.Observe(get)
	}
}

// void is a collector that forgets.
type void struct{ wire }

func (*void) Write(p []byte) (int, error) { return len(p), nil }
