package memcachetest

// Stats counts what one server did since it was started, in the words of
// memcached's "stats" command. Start and Restart begin at zero.
type Stats struct {
	CurrConnections     int   // open now
	TotalConnections    int   // accepted
	RejectedConnections int   // accepted and closed at the limit of connections
	BytesRead           int64 // bytes of requests
	BytesWritten        int64 // bytes of replies

	Gets       int // keys asked for by get, gets and mg
	GetHits    int // of those, found
	GetMisses  int // of those, not found
	GetExpired int // lookups of any command that met an expired item
	GetFlushed int // lookups of any command that met a flushed item

	Touches     int // keys asked for by touch, gat, gats and mg with T
	TouchHits   int
	TouchMisses int

	Sets         int // storage commands of all kinds whose data block arrived
	CASHits      int
	CASMisses    int
	CASBadval    int
	DeleteHits   int
	DeleteMisses int
	IncrHits     int
	IncrMisses   int
	DecrHits     int
	DecrMisses   int
	Flushes      int // flush_all
	Meta         int // me
	Auths        int
	AuthErrors   int
	TooLarge     int // refused: larger than the item limit
	NoMemory     int // refused: memory is full and eviction is off

	CurrItems  int
	TotalItems int // stored since the start
	Bytes      int // memory taken by the items, as memcached counts it
	Evictions  int // items that lived and had to go
	Reclaimed  int // dead items that made room
}

// countGet counts one key asked for; found is nil for a miss.
func (s *Stats) countGet(found *item) {
	s.Gets++
	if found != nil {
		s.GetHits++
		return
	}
	s.GetMisses++
}

func (s *Stats) countTouch(found *item) {
	s.Touches++
	if found != nil {
		s.TouchHits++
		return
	}
	s.TouchMisses++
}
