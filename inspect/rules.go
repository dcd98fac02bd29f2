package inspect

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/route"
)

// Rules is what rules.json says: the rules that apply now. Those that people have made, for keys and for prefixes, come
// before the automatic ones.
type Rules struct {
	Epoch uint64 `json:"epoch"` // of the table of the store; 0: there is none
	Total int    `json:"total"` // rules that apply; Rules has the first of them
	Rules []Rule `json:"rules"`
	Store *Store `json:"store,omitempty"` // absent without WithRuleStore and WithSharedRules
}

// Rule is a rule, without its key if keys are hidden.
type Rule struct {
	Of        string     `json:"of"` // "key" or "prefix"
	Key       string     `json:"key,omitempty"`
	KeyBase64 []byte     `json:"key_base64,omitempty"` // in place of Key if that is not UTF-8
	ID        string     `json:"id"`                   // the key's hash in hex, to tell rules apart whose keys are hidden
	Do        string     `json:"do"`                   // hotkey.RemedyText
	Nodes     []string   `json:"nodes,omitempty"`
	Origin    string     `json:"origin"` // "explicit" or "automatic"
	Expires   *time.Time `json:"expires,omitempty"`
}

// Store is how the store of rules does.
type Store struct {
	Failures int     `json:"failures"` // in a row
	Error    string  `json:"error,omitempty"`
	Age      float64 `json:"age"` // seconds that the rules have gone unconfirmed
	Changes  uint64  `json:"changes"`
}

// rulesOf returns the first n rules of a client.
func (h *handler) rulesOf(c *memcache.Client, n int) Rules {
	table := c.Rules()
	r := Rules{Epoch: table.Header().Epoch, Total: table.Len(), Rules: []Rule{}, Store: storeOf(c.Stats())}
	for rule := range table.Rules() {
		if len(r.Rules) == n {
			break
		}
		r.Rules = append(r.Rules, h.ruleOf(rule))
	}
	return r
}

func (h *handler) ruleOf(rule hotkey.Rule) Rule {
	key, of := rule.Key, "key"
	if key == "" {
		key, of = rule.Prefix, "prefix"
	}
	shown := Rule{Of: of, ID: fmt.Sprintf("%016x", route.HashKey(key)), Do: rule.Action.Kind.String(), Nodes: rule.Action.Nodes, Origin: rule.Origin.String()}
	if text := hotkey.RemedyText(rule.Action); text != "" {
		shown.Do = text
	}
	if !rule.Expires.IsZero() {
		shown.Expires = &rule.Expires
	}
	switch {
	case !h.keys:
	case utf8.ValidString(key):
		shown.Key = key
	default:
		shown.KeyBase64 = []byte(key)
	}
	return shown
}

func storeOf(stats memcache.Stats) *Store {
	s := stats.Rules
	if s.Looks == 0 {
		return nil
	}
	store := &Store{Failures: s.Failures, Age: s.Age.Seconds(), Changes: s.Changes}
	if s.Failures > 0 && s.LastErr != nil {
		store.Error = s.LastErr.Error()
	}
	return store
}
