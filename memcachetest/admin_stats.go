package memcachetest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"
)

// stats runs: stats [reset|detail|items|slabs|settings|sizes|cachedump|extstore].
func (c *conn) stats(w words) {
	if len(w.list) == 1 {
		c.out.buf = append(c.process.appendStats(c.out.buf), "END\r\n"...)
		return
	}
	switch string(w.list[1]) {
	case "reset":
		c.process.resetStats()
		c.say("RESET")
	case "detail":
		c.statsDetail(w)
	case "items":
		c.statsItems()
	case "slabs":
		c.statsSlabs()
	case "settings":
		c.statsSettings()
	case "extstore":
		c.say("END")
	case "sizes":
		c.say("STAT sizes_status disabled\r\nEND")
	case "cachedump":
		c.statsCachedump(w)
	default:
		c.say("ERROR")
	}
}

func (c *conn) statsDetail(w words) {
	word := ""
	if len(w.list) > 2 {
		word = string(w.list[2])
	}
	switch word {
	case "on":
		c.process.prefixes.enable()
		c.say("OK")
	case "off":
		c.process.prefixes.disable()
		c.say("OK")
	case "dump":
		c.out.buf = c.process.prefixes.appendDump(c.out.buf)
	default:
		c.say("CLIENT_ERROR usage: stats detail on|off|dump")
	}
}

// statsItems shows the number of items per slab class, the one number of many
// that does not depend on how memcached lays out its memory.
func (c *conn) statsItems() {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	classes := s.itemsPerClass()
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		c.out.buf = fmt.Appendf(c.out.buf, "STAT items:%d:number %d\r\n", class, classes[class])
	}
	c.out.buf = append(c.out.buf, "END\r\n"...)
}

// statsSlabs shows the totals, as if each class in use had one page.
func (c *conn) statsSlabs() {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	classes := len(s.itemsPerClass())
	c.out.buf = fmt.Appendf(c.out.buf, "STAT active_slabs %d\r\nSTAT total_malloced %d\r\nEND\r\n",
		classes, classes*slabPageSize)
}

func (c *conn) statsCachedump(w words) {
	switch {
	case c.process.cfg.noDump:
		c.say("CLIENT_ERROR stats cachedump not allowed")
		return
	case len(w.list) < 4:
		c.say("CLIENT_ERROR bad command line")
		return
	}
	class, classOK := parseUint32(w.list[2])
	limit, limitOK := parseUint32(w.list[3])
	switch {
	case !classOK || !limitOK:
		c.say(badFormat)
	case class > maxSlabClass:
		c.say("CLIENT_ERROR Illegal slab id")
	default:
		c.cachedump(int(class), int(limit))
	}
}

// cachedump lists items of one slab class, but for those with binary keys; limit 0 means all of them.
func (c *conn) cachedump(class, limit int) {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := 0
	for it := s.lru.newest; it != nil && (limit == 0 || shown < limit); it = it.older {
		if it.has(markBinaryKey) || slabClass(s.size(it), s.limits.maxItem) != class {
			continue
		}
		exp := int64(0)
		if it.exptime != 0 {
			exp = s.clock.unix(it.exptime)
		}
		c.out.buf = fmt.Appendf(c.out.buf, "ITEM %s [%d b; %d s]\r\n", it.key, len(it.value), exp)
		shown++
	}
	c.out.buf = append(c.out.buf, "END\r\n"...)
}

// statLine is one line of "stats": a number that the server has, or the one
// memcached shows when nothing happened in a part that the server lacks.
type statLine struct {
	name  string
	value string
}

func (p *process) appendStats(b []byte) []byte {
	for _, line := range p.statLines() {
		b = append(append(append(b, "STAT "...), line.name...), ' ')
		b = append(append(b, line.value...), "\r\n"...)
	}
	return b
}

// statLines are the lines of memcached 1.6.18 in their order.
func (p *process) statLines() []statLine {
	s := p.snapshot()
	lines := p.statsOfProcess(s)
	lines = append(lines, statsOfCommands(s)...)
	lines = append(lines, statsOfMemory(s, p.cfg)...)
	return lines
}

func (p *process) statsOfProcess(s Stats) []statLine {
	uptime := int(time.Since(p.clock.start) / time.Second)
	return []statLine{
		{"pid", num(os.Getpid())}, {"uptime", num(uptime)}, {"time", strconv.FormatInt(time.Now().Unix(), 10)},
		{"version", p.cfg.version}, {"libevent", "2.1.12-stable"}, {"pointer_size", "64"},
		{"rusage_user", "0.000000"}, {"rusage_system", "0.000000"},
		{"max_connections", num(p.cfg.maxConns)}, {"curr_connections", num(s.CurrConnections)},
		{"total_connections", num(s.TotalConnections)}, {"rejected_connections", num(s.RejectedConnections)},
		{"connection_structures", num(s.CurrConnections)},
		{"response_obj_oom", "0"}, {"response_obj_count", "1"}, {"response_obj_bytes", "16384"},
		{"read_buf_count", "1"}, {"read_buf_bytes", "16384"}, {"read_buf_bytes_free", "0"},
		{"read_buf_oom", "0"}, {"reserved_fds", "5"},
	}
}

func statsOfCommands(s Stats) []statLine {
	return []statLine{
		{"cmd_get", num(s.Gets)}, {"cmd_set", num(s.Sets)}, {"cmd_flush", num(s.Flushes)},
		{"cmd_touch", num(s.Touches)}, {"cmd_meta", num(s.Meta)},
		{"get_hits", num(s.GetHits)}, {"get_misses", num(s.GetMisses)},
		{"get_expired", num(s.GetExpired)}, {"get_flushed", num(s.GetFlushed)},
		{"delete_misses", num(s.DeleteMisses)}, {"delete_hits", num(s.DeleteHits)},
		{"incr_misses", num(s.IncrMisses)}, {"incr_hits", num(s.IncrHits)},
		{"decr_misses", num(s.DecrMisses)}, {"decr_hits", num(s.DecrHits)},
		{"cas_misses", num(s.CASMisses)}, {"cas_hits", num(s.CASHits)}, {"cas_badval", num(s.CASBadval)},
		{"touch_hits", num(s.TouchHits)}, {"touch_misses", num(s.TouchMisses)},
		{"store_too_large", num(s.TooLarge)}, {"store_no_memory", num(s.NoMemory)},
		{"auth_cmds", num(s.Auths)}, {"auth_errors", num(s.AuthErrors)},
		{"bytes_read", strconv.FormatInt(s.BytesRead, 10)},
		{"bytes_written", strconv.FormatInt(s.BytesWritten, 10)},
	}
}

func statsOfMemory(s Stats, cfg *config) []statLine {
	lines := []statLine{
		{"limit_maxbytes", num(cfg.limits.memory)}, {"accepting_conns", "1"},
		{"listen_disabled_num", "0"}, {"time_in_listen_disabled_us", "0"}, {"threads", "1"},
		{"conn_yields", "0"}, {"hash_power_level", "16"}, {"hash_bytes", "524288"},
	}
	for _, name := range unusedStats {
		lines = append(lines, statLine{name, "0"})
	}
	return append(lines,
		statLine{"bytes", num(s.Bytes)}, statLine{"curr_items", num(s.CurrItems)},
		statLine{"total_items", num(s.TotalItems)}, statLine{"slab_global_page_pool", "0"},
		statLine{"expired_unfetched", "0"}, statLine{"evicted_unfetched", "0"}, statLine{"evicted_active", "0"},
		statLine{"evictions", num(s.Evictions)}, statLine{"reclaimed", num(s.Reclaimed)},
		statLine{"crawler_reclaimed", "0"}, statLine{"crawler_items_checked", "0"},
		statLine{"lrutail_reflocked", "0"}, statLine{"moves_to_cold", "0"}, statLine{"moves_to_warm", "0"},
		statLine{"moves_within_lru", "0"}, statLine{"direct_reclaims", "0"}, statLine{"lru_bumps_dropped", "0"},
	)
}

// unusedStats belong to background threads of memcached.
var unusedStats = []string{
	"hash_is_expanding", "slab_reassign_rescues", "slab_reassign_chunk_rescues",
	"slab_reassign_evictions_nomem", "slab_reassign_inline_reclaim", "slab_reassign_busy_items",
	"slab_reassign_busy_deletes", "slab_reassign_running", "slabs_moved", "lru_crawler_running",
	"lru_crawler_starts", "lru_maintainer_juggles", "malloc_fails", "log_worker_dropped",
	"log_worker_written", "log_watcher_skipped", "log_watcher_sent", "log_watchers",
	"unexpected_napi_ids", "round_robin_fallback",
}

func num(n int) string { return strconv.Itoa(n) }
