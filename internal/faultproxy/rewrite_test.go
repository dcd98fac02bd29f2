package faultproxy

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func newRewriter() *rewriter { return &rewriter{rnd: rand.New(rand.NewPCG(1, 1))} }

const conversation = "STORED\r\nVALUE k 0 8\r\nEND\r\nabc\r\nEND\r\nVA 3 t5 c7\r\nxyz\r\nEN\r\nVALUE k 1 0 99\r\n\r\nEND\r\nSERVER_ERROR out of memory\r\n"

// Wherever the stream is cut, the replies are the same.
func TestRepliesAreFoundAtAnySplit(t *testing.T) {
	for _, kind := range []RewriteKind{NoRewrite, SwapReplies, DuplicateReply} {
		whole := newRewriter()
		want := string(whole.next([]byte(conversation), Rewrite{Kind: kind})) + string(whole.rest())
		for at := range len(conversation) {
			w := newRewriter()
			got := string(w.next([]byte(conversation[:at]), Rewrite{Kind: kind}))
			got += string(w.next([]byte(conversation[at:]), Rewrite{Kind: kind}))
			got += string(w.rest())
			require.Equal(t, want, got, "kind %d, split at %d", kind, at)
		}
	}
}

func TestAStreamThatIsNoConversationPasses(t *testing.T) {
	w := newRewriter()
	text := strings.Repeat("x", maxLine+1)
	require.Equal(t, text, string(w.next([]byte(text), Rewrite{})))
	for _, line := range []string{"VALUE\r\n", "VALUE k\r\n", "VALUE k 0 x\r\n", "VA \r\n", "VA 99999999999999999999\r\n", "\n"} {
		require.Equal(t, line, string(w.next([]byte(line), Rewrite{})))
	}
}

func FuzzRewriter(f *testing.F) {
	f.Add([]byte(conversation), uint8(CorruptLength))
	f.Add([]byte("VALUE k 0 99999999\r\nabc"), uint8(SwapReplies))
	f.Add([]byte("VA -1\r\n\r\n\n\n"), uint8(StrayLine))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		w := newRewriter()
		out := w.next(b, Rewrite{Kind: RewriteKind(kind % 6), Every: 2})
		out = append(out, w.rest()...)
		switch RewriteKind(kind % 6) {
		case NoRewrite:
			require.Equal(t, string(b), string(out))
		case SwapReplies:
			require.Len(t, out, len(b))
		}
	})
}
