package hotkey

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTemplate(t *testing.T) {
	for key, want := range map[string]string{
		"":                                       "",
		"front-page":                             "front-page",
		"user:81:name":                           "user:#:name",
		"user:9:name":                            "user:#:name",
		"session.uesr_id":                        "session.uesr_id",
		"v2/user123abc":                          "v#/user#abc",
		"2026-11-21":                             "#-#-#",
		"bad:cafe:feed:decade":                   "bad:cafe:feed:decade",
		"defaced":                                "defaced",
		"etag/1a2b3c4d":                          "etag/#",
		"etag/1a2b3c":                            "etag/#a#b#c",
		"sha:DA39A3EE5E6B4B0D3":                  "sha:#",
		"h:deadbeefdeadbeef":                     "h:#",
		"u:550e8400-e29b-41d4-a716-446655440000": "u:#",
		"u:550e8400-e29b-41d4-a716-446655440000:x":  "u:#:x",
		"u:550e8400-e29b-41d4-a716-446655440000abc": "u:#-e#b-#d#-a#-#",
		"größe:7":   "größe:#",
		"x00000":    "x#",
		":::":       ":::",
		"\xff\x001": "\xff\x00#",
	} {
		require.Equal(t, want, string(appendTemplate(nil, key)), "%q", key)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("u:550e8400-e29b-41d4-a716-446655440000:1a2b3c4d:7")
	f.Add("################")
	f.Fuzz(func(t *testing.T, key string) {
		template := string(appendTemplate(nil, key))
		require.LessOrEqual(t, len(template), len(key))
		require.False(t, strings.ContainsAny(template, "0123456789"), "%q", template)
	})
}
