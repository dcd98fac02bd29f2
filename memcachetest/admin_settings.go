package memcachetest

import (
	"net"
	"strings"
	"time"
)

// defaultSettings are the lines of "stats settings" of memcached 1.6.18 with
// one thread, in their order.
const defaultSettings = `maxbytes 67108864
maxconns 1024
tcpport 0
udpport 0
inter NULL
verbosity 0
oldest 0
evictions on
domain_socket NULL
umask 700
shutdown_command no
growth_factor 1.25
chunk_size 48
num_threads 1
num_threads_per_udp 1
stat_key_prefix :
detail_enabled no
reqs_per_event 20
cas_enabled yes
tcp_backlog 1024
binding_protocol auto-negotiate
auth_enabled_sasl no
auth_enabled_ascii no
item_size_max 1048576
maxconns_fast yes
hashpower_init 0
slab_reassign yes
slab_automove 1
slab_automove_ratio 0.80
slab_automove_window 30
slab_chunk_max 524288
lru_crawler yes
lru_crawler_sleep 100
lru_crawler_tocrawl 0
tail_repair_time 0
flush_enabled yes
dump_enabled yes
hash_algorithm murmur3
lru_maintainer_thread yes
lru_segmented yes
hot_lru_pct 20
warm_lru_pct 40
hot_max_factor 0.20
warm_max_factor 2.00
temp_lru no
temporary_ttl 61
idle_timeout 0
watcher_logbuf_size 262144
worker_logbuf_size 65536
read_buf_mem_limit 0
track_sizes no
inline_ascii_response no
ext_item_size 512
ext_item_age 4294967295
ext_low_ttl 0
ext_recache_rate 2000
ext_wbuf_size 4194304
ext_compact_under 0
ext_drop_under 0
ext_max_sleep 1000000
ext_max_frag 0.80
slab_automove_freeratio 0.010
ext_drop_unread no
ssl_enabled no
ssl_chain_cert (null)
ssl_key (null)
ssl_verify_mode 0
ssl_keyformat 1
ssl_ciphers NULL
ssl_ca_cert NULL
ssl_wbuf_size 16384
ssl_session_cache no
ssl_kernel_tls no
ssl_min_version tlsv1.2
num_napi_ids (null)
memory_file (null)
`

// statsSettings shows the settings: those that the server has as they are, the
// others as memcached has them by default.
func (c *conn) statsSettings() {
	own := c.process.settings()
	c.settingsOfListener(own)
	for line := range strings.Lines(defaultSettings) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, ok := own[name]; ok {
			value = v
		}
		c.out.buf = append(c.out.buf, "STAT "+name+" "+value+"\r\n"...)
	}
	c.out.buf = append(c.out.buf, "END\r\n"...)
}

// settings are those that the server has.
func (p *process) settings() map[string]string {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	own := map[string]string{
		"maxbytes": num(s.limits.memory), "maxconns": num(p.cfg.maxConns), "item_size_max": num(s.limits.maxItem),
		"cas_enabled": yesNo(!s.limits.noCAS), "dump_enabled": yesNo(!p.cfg.noDump),
		"detail_enabled": yesNo(p.prefixes.enabled()), "ssl_enabled": yesNo(p.cfg.tls != nil),
		"idle_timeout": num(int(p.cfg.idleTimeout / time.Second)),
	}
	if s.limits.noEviction {
		own["evictions"] = "off"
	}
	if p.cfg.user != "" {
		own["auth_enabled_ascii"] = "authfile"
	}
	return own
}

// settingsOfListener adds where the server listens.
func (c *conn) settingsOfListener(own map[string]string) {
	switch addr := c.net.LocalAddr().(type) {
	case *net.TCPAddr:
		own["tcpport"], own["inter"] = num(addr.Port), addr.IP.String()
	case *net.UnixAddr:
		own["domain_socket"] = addr.Name
	}
}
