package sim

import (
	"slices"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/record"
)

// msg is one record somebody tried to publish.
type msg struct {
	uid   int
	key   string
	keyed bool
	ttl   int64 // ms; 0 = none
	body  []byte
	id    string
	at    int64 // append time, ms
	since int64 // not after the append, by the time that passes
	req   *request
	place queue.Place // where it was stored, or its schedule
	due   int64       // of a delayed one, ms, by the wall clock; 0 = none
	bare  bool        // without headers
	twice bool        // its id was known: it is not stored
	doubt bool        // it may be cancelled
	gone  bool        // retention let go of it
	early bool        // it may have been run before it was due

	edited bool // head are its headers
	head   []record.Header
}

// dies is when the record's time to live is over; 0 = never.
func (m *msg) dies() int64 {
	if m.ttl == 0 {
		return 0
	}
	return m.at + m.ttl
}

// request is one publish: all of its records are stored, or none.
type request struct {
	topic *topic
	msgs  []*msg
	found int // of an unknown one, in the logs and among the delayed ones

	group  *group // of a settle that publishes
	acts   []act
	open   []bool // by act: its record was certainly not settled
	call   queue.SettleRequest
	events int   // the group's attachments and detachments by then
	at     int64 // when it was answered, by the wall clock; 0 = it was not
	since  int64 // the same by the time that passes
}

// stored is how many of its records are to be stored.
func (r *request) stored() (n int) {
	for _, m := range r.msgs {
		if !m.twice {
			n++
		}
	}
	return n
}

// topic is one incarnation of a topic.
type topic struct {
	name  string
	id    string // what all tags of an incarnation begin with
	lanes int
	parts []*part

	window  int64           // of ids, ms
	limit   int64           // of the backlog, records; 0 = none
	age     int64           // of the retention, ms; 0 = the default, which no run reaches
	ids     map[string]*msg // the last record with each id
	delayed []*msg
	slow    int64 // up to when due records may be late
	cron    *cron // nil = none
}

// cron is a schedule that fires each minute.
type cron struct {
	since int64 // ms, by the wall clock
	last  int64 // minute it fired for last
}

// part is a partition's log as it must be.
type part struct {
	topic *topic
	index int
	first int // what retention left
	log   []*msg
}

// hand is one hand-out that a member saw.
type hand struct {
	id       int32
	delivery int32
	life     uint32
	receipt  string
	rec      *rec
	epoch    int // of the window
}

// rec is one record in one group.
type rec struct {
	win    *win
	offset int
	msg    *msg
	states []state // those it can be in; one, when all is known
	freed  bool    // its letter was purged: it holds its key no more
	lives  int32   // those that ended with a letter: 1 + the redrives before
	listed bool    // among the group's live ones
	before []state // those it was in since everything was last known to be durable; kept while a fault may strike
}

// win is a group's progress on one partition.
type win struct {
	group *group
	part  *part
	start int
	recs  []*rec
	keys  map[string][]*rec // unsettled for all that is known, in offset order
	gone  bool              // detached
	epoch int               // counts resets
}

// group is one incarnation of a group.
type group struct {
	name     string
	id       string
	config   queue.GroupConfig
	rules    rules
	topics   []*topic
	wins     []*win
	hands    []*hand // newest last; the oldest are forgotten
	live     []*rec  // neither fresh nor settled for all that is known
	ttls     []*rec  // with a time to live, unsettled
	held     int     // records certainly leased
	parks    []*park
	tokens   float64 // of the rate
	tokensAt int64

	keyed  []*request // settles with a request key, and what they were answered
	events int        // attachments and detachments

	ordered bool                   // key order since the beginning
	holding bool                   // on_dead hold since the beginning
	limited bool                   // key_concurrency since the beginning
	letters map[origin]*deadLetter // in the dead-letter topic that is there
}

func (g *group) window(topic string, index int) *win {
	for _, w := range g.wins {
		if w.part.index == index && w.part.topic.name == topic {
			return w
		}
	}
	return nil
}

// sync gives the window the records that its log has gained.
func (w *win) sync() {
	for i := w.start + len(w.recs); i < len(w.part.log); i++ {
		r := &rec{win: w, offset: i, msg: w.part.log[i], states: []state{begin(w.part.log[i])}}
		w.recs = append(w.recs, r)
		if r.msg.keyed {
			w.keys[r.msg.key] = append(w.keys[r.msg.key], r)
		}
		if r.msg.ttl > 0 {
			w.group.ttls = append(w.group.ttls, r)
		}
	}
}

// begin is the state of a record that a group has not looked at.
func begin(m *msg) state {
	if m.gone {
		return state{phase: settled}
	}
	return state{}
}

// at returns the record of an offset, or nil.
func (w *win) at(offset int) *rec {
	if i := offset - w.start; i >= 0 && i < len(w.recs) {
		return w.recs[i]
	}
	return nil
}

// is says whether every state the record can be in has a property.
func (r *rec) is(f func(*state) bool) bool {
	for i := range r.states {
		if !f(&r.states[i]) {
			return false
		}
	}
	return true
}

// may says whether some state has it.
func (r *rec) may(f func(*state) bool) bool {
	for i := range r.states {
		if f(&r.states[i]) {
			return true
		}
	}
	return false
}

func isSettled(s *state) bool { return s.phase == settled }

// goes says that retention may take the record: nobody needs it, or it is read from its letter.
func goes(s *state) bool { return s.phase == settled || s.back > 0 }

func isDying(s *state) bool  { return s.phase == dying }
func isLeased(s *state) bool { return s.phase == leased }
func isFresh(s *state) bool  { return *s == state{} }

// union adds states that are not there yet.
func union(to []state, more ...state) []state {
	for _, s := range more {
		if !slices.Contains(to, s) {
			to = append(to, s)
		}
	}
	return to
}

// each returns what f makes of each state.
func each(states []state, f func(state) state) []state {
	if len(states) == 1 {
		return []state{f(states[0])}
	}
	var out []state
	for _, s := range states {
		out = union(out, f(s))
	}
	return out
}

// only returns the states that have a property.
func only(states []state, f func(*state) bool) []state {
	var out []state
	for i := range states {
		if f(&states[i]) {
			out = append(out, states[i])
		}
	}
	return out
}
