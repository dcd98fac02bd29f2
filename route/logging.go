package route

import (
	"context"
	"log/slog"
	"time"

	"github.com/nohop/memcache/protocol"
)

// LoggingOptions say what is logged where.
type LoggingOptions struct {
	Logger *slog.Logger // required
	Level  slog.Level   // of the records; the zero Level is Info
	Key    bool         // log the key: it may be personal data
}

// logging writes down what its child did.
type logging struct {
	child   Route
	options LoggingOptions
}

// Logging has child serve ops and writes a record of each: the operation, the node that answered or failed, the status or
// error, and how long the call took (that of the whole batch). It changes nothing. While the logger does not take the
// level, it costs one question. Without child or Logger the error is ErrNoPart.
func Logging(child Route, o LoggingOptions) (Route, error) {
	if child == nil || o.Logger == nil {
		return nil, ErrNoPart
	}
	return &logging{child, o}, nil
}

func (l *logging) Do(ctx context.Context, ops []*Op) {
	child := func(*Op) Route { return l.child }
	if !l.options.Logger.Enabled(ctx, l.options.Level) {
		doEach(ctx, ops, child)
		return
	}
	start := time.Now()
	doEach(ctx, ops, child)
	took := time.Since(start)
	for _, op := range ops {
		l.options.Logger.LogAttrs(ctx, l.options.Level, "memcache", l.attrs(op, took)...)
	}
}

func (l *logging) attrs(op *Op, took time.Duration) []slog.Attr {
	attrs := []slog.Attr{slog.String("operation", operationName(OperationOf(op))), slog.Duration("took", took)}
	if l.options.Key {
		attrs = append(attrs, slog.String("key", op.Request.Key))
	}
	if op.Node != nil {
		attrs = append(attrs, slog.String("node", op.Node.Name()))
	}
	if op.Err != nil {
		return append(attrs, slog.String("error", op.Err.Error()))
	}
	return append(attrs, slog.String("status", statusNames[op.Reply.Status]))
}

var statusNames = [protocol.More + 1]string{"none", "ok", "miss", "not stored", "exists", "more"}

func (l *logging) Explain(op *Op) Step {
	return Step{Route: "logging", Next: []Step{Explain(l.child, op)}}
}
