package console

import (
	"context"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/history"
	"github.com/holtmq/holt/queue/store"
)

// Limits of the snapshot.
const (
	snapshotAge  = 2 * time.Second // how old the snapshot that pages share may be
	snapshotTime = time.Second     // for each of its lists; what did not come by then is left out
	snapshotPage = 250             // topics or groups asked for at once
	maxShown     = 2000            // topics, and groups, in it
	rateSpan     = 8 * time.Second // rates are measured over so long at least, if somebody looked or sampled that long ago
	keptCounts   = 24
)

// snapshot is how everything was at one time. It is shared, and nobody changes it.
type snapshot struct {
	at            time.Time
	topics        []topicView
	groups        []groupView
	measured      bool // rates are known
	leftOut       bool // there are more topics or groups than it holds
	health        store.Health
	typical, slow time.Duration // of commits
	total         totals
}

// totals add up what all topics and groups do.
type totals struct {
	In, Out, Failed, Dying   float64 // records per second: published, acked, nacked or expired, dead-lettered
	Bytes                    float64 // published per second
	Backlog, Leased, Letters int64
	Deferred                 int64
	Oldest                   time.Time // zero = nothing is unsettled
}

// topicView is a topic with its rates.
type topicView struct {
	queue.TopicInfo
	In, Bytes    float64 // records and bytes published per second; NaN = not known yet
	Stored, Size int64
	Lag          int64 // of the slowest group
	LettersOf    bool
}

// groupView is a group with its rates per second.
type groupView struct {
	queue.GroupInfo
	Leasing, Acking, Failing, Dying, Redelivering, Expiring, Growing float64 // NaN = not known yet
	Trouble                                                          float64
	Unattended                                                       bool    // records are available, and nobody takes them
	Queueing, Handling                                               latency // from append to first hand-out, and from there to ack, nack or reject
}

// counts are the counters of a moment, from which rates are made, by incarnation.
type counts struct {
	at                   time.Time
	topics               map[string]queue.TopicCounters
	groups               map[string]groupCounts
	allTopics, allGroups bool // none was left out: what is not there was made later, and had counted nothing
}

type groupCounts struct {
	queue.GroupCounters
	lag           int64
	queue, handle queue.Histogram
}

// sampler takes snapshots: one at a time, for whoever asks.
type sampler struct {
	source  Source
	latency func() (typical, slow time.Duration)

	turn   chan struct{} // one slot: held while a snapshot is taken
	mu     sync.Mutex
	last   *snapshot
	counts []counts // the newest last
	stale  bool     // somebody changed something
	heat   heat
}

func newSampler(source Source, latency func() (time.Duration, time.Duration)) *sampler {
	return &sampler{source: source, latency: latency, turn: make(chan struct{}, 1)}
}

// get returns a snapshot that is at most snapshotAge old.
func (s *sampler) get(ctx context.Context) (*snapshot, error) {
	if snap := s.fresh(); snap != nil {
		return snap, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if snap := s.fresh(); snap != nil { // taken while we waited
		return snap, nil
	}
	return s.take(ctx)
}

// changed makes the next page see what an action did.
func (s *sampler) changed() {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
}

func (s *sampler) fresh() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || s.stale || time.Since(s.last.at) >= snapshotAge {
		return nil
	}
	return s.last
}

// take asks for everything; the turn is held.
func (s *sampler) take(ctx context.Context) (*snapshot, error) {
	s.mu.Lock()
	s.stale = false
	s.mu.Unlock()
	snap := &snapshot{at: time.Now(), health: s.source.Health()}
	if s.latency != nil {
		snap.typical, snap.slow = s.latency()
	}
	topics, more, err := collect(ctx, s.source.TopicSummaries, func(t queue.TopicInfo) string { return t.Name })
	if err != nil {
		return nil, err
	}
	groups, moreGroups, err := collect(ctx, s.source.GroupOverviews, func(g queue.GroupInfo) string { return g.Name })
	if err != nil {
		return nil, err
	}
	snap.leftOut = more || moreGroups
	now := countsOf(snap.at, topics, groups)
	now.allTopics, now.allGroups = !more, !moreGroups
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.before(snap.at)
	snap.measured = before != nil
	letters := map[string]bool{}
	for _, g := range groups {
		letters[g.Config.DeadLetterTopic] = true
		snap.groups = append(snap.groups, viewGroup(g, before, now))
	}
	for _, t := range topics {
		view := viewTopic(t, before, now)
		view.LettersOf = letters[t.Name]
		snap.topics = append(snap.topics, view)
	}
	snap.addUp()
	s.last = snap
	s.counts = append(s.counts, now)
	if len(s.counts) > keptCounts {
		s.counts = s.counts[1:]
	}
	return snap, nil
}

// collect goes through a list, page by page, as far as maxShown and snapshotTime allow.
func collect[T any](ctx context.Context, list func(context.Context, string, int) ([]T, error), name func(T) string) (all []T, more bool, err error) {
	limited, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	for after := ""; ; {
		items, err := list(limited, after, snapshotPage)
		if err != nil && limited.Err() != nil && ctx.Err() == nil && len(all) > 0 {
			return all, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		all = append(all, items...)
		if len(items) < snapshotPage {
			return all, false, nil
		}
		if len(all) >= maxShown {
			return all[:maxShown], true, nil
		}
		after = name(items[len(items)-1])
	}
}

// before returns the newest counts that are rateSpan old, else the oldest there are; nil if there are none. The lock is held.
func (s *sampler) before(at time.Time) *counts {
	for i := len(s.counts) - 1; i >= 0; i-- {
		if at.Sub(s.counts[i].at) >= rateSpan || i == 0 {
			return &s.counts[i]
		}
	}
	return nil
}

func countsOf(at time.Time, topics []queue.TopicInfo, groups []queue.GroupInfo) counts {
	c := counts{at: at, topics: make(map[string]queue.TopicCounters, len(topics)), groups: make(map[string]groupCounts, len(groups))}
	for _, t := range topics {
		c.topics[incarnation(t.Name, t.Tag)] = t.Published
	}
	for _, g := range groups {
		c.groups[incarnation(g.Name, g.Tag)] = groupCounts{g.Counters, g.Totals.Lag, g.Measures.Queue, g.Measures.Handle}
	}
	return c
}

// incarnation names a topic or group so that one made anew under its name is another: its tag says "id-revision".
func incarnation(name, tag string) string {
	id, _, _ := strings.Cut(tag, "-")
	return name + "\x00" + id
}

// perSecond is the rate of a counter, NaN if there is nothing to compare with.
func perSecond(now, before uint64, span time.Duration) float64 {
	if span <= 0 {
		return math.NaN()
	}
	return float64(now-before) / span.Seconds()
}

func viewTopic(t queue.TopicInfo, before *counts, now counts) topicView {
	v := topicView{TopicInfo: t, In: math.NaN(), Bytes: math.NaN()}
	if before != nil {
		if was, ok := before.topics[incarnation(t.Name, t.Tag)]; ok || before.allTopics {
			span := now.at.Sub(before.at)
			v.In, v.Bytes = perSecond(t.Published.Records, was.Records, span), perSecond(t.Published.Bytes, was.Bytes, span)
		}
	}
	for _, p := range t.Partitions {
		v.Stored += int64(p.End - p.Start)
		v.Size += p.Bytes
	}
	for _, g := range t.Groups {
		v.Lag = max(v.Lag, g.Lag)
	}
	return v
}

func viewGroup(g queue.GroupInfo, before *counts, now counts) groupView {
	nan := math.NaN()
	v := groupView{GroupInfo: g, Leasing: nan, Acking: nan, Failing: nan, Dying: nan, Redelivering: nan, Expiring: nan, Growing: nan}
	var was groupCounts
	if before != nil {
		var ok bool
		if was, ok = before.groups[incarnation(g.Name, g.Tag)]; ok || before.allGroups {
			c, span := g.Counters, now.at.Sub(before.at)
			v.Leasing = perSecond(c.Leased, was.Leased, span)
			v.Acking = perSecond(c.Acked, was.Acked, span)
			v.Failing = perSecond(c.Nacked+c.Expired, was.Nacked+was.Expired, span)
			v.Expiring = perSecond(c.Expired, was.Expired, span)
			v.Dying = perSecond(c.DeadLettered+c.Dropped, was.DeadLettered+was.Dropped, span)
			v.Redelivering = perSecond(c.Redelivered, was.Redelivered, span)
			if ok && span > 0 { // what a new group finds has not grown
				v.Growing = float64(g.Totals.Lag-was.lag) / span.Seconds()
			}
		}
	}
	v.Queueing, v.Handling = newLatency(g.Measures.Queue, was.queue), newLatency(g.Measures.Handle, was.handle)
	v.Trouble, v.Unattended = v.trouble(now.at), v.unattended(now.at)
	return v
}

// unattended tells whether records could be handed out and no worker is there. One look is not enough for a quick worker, whose leases are over before the
// next one: it counts, too, when something was handed out or when a member was seen lately.
func (g *groupView) unattended(now time.Time) bool {
	if g.Config.Paused || g.Totals.Available == 0 || g.Totals.Leased > 0 || g.Waiters > 0 || known(g.Leasing) > 0 {
		return false
	}
	for _, m := range g.Members {
		if g.Kind == catalog.KindOrdered || api.Present(m.Leases, m.LastSeen, now) {
			return false // an ordered group's members are those whose session runs
		}
	}
	return true
}

// trouble ranks groups: the age of what waits longest × how fast the backlog grows × how much comes again, and dead letters on top.
func (g *groupView) trouble(now time.Time) float64 {
	if g.Totals.Lag == 0 && g.Totals.DeadLetters == 0 {
		return 0
	}
	t := 0.0
	if !g.OldestUnsettled.IsZero() {
		t = now.Sub(g.OldestUnsettled).Seconds()
	}
	t *= (1 + math.Log1p(max(known(g.Growing), 0))) * (1 + math.Log1p(known(g.Redelivering)+known(g.Failing)))
	return t + 10*math.Log1p(float64(g.Totals.DeadLetters))
}

// known is a rate, or 0 if it is not known.
func known(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// addUp makes the totals.
func (s *snapshot) addUp() {
	t := &s.total
	for i := range s.topics {
		if one := &s.topics[i]; !one.LettersOf {
			t.In += known(one.In)
			t.Bytes += known(one.Bytes)
		}
	}
	for i := range s.groups {
		g := &s.groups[i]
		t.Out += known(g.Acking)
		t.Failed += known(g.Failing)
		t.Dying += known(g.Dying)
		t.Backlog += g.Totals.Lag
		t.Leased += g.Totals.Leased
		t.Deferred += g.Totals.Deferred
		t.Letters += g.Totals.DeadLetters
		if !g.OldestUnsettled.IsZero() && (t.Oldest.IsZero() || g.OldestUnsettled.Before(t.Oldest)) {
			t.Oldest = g.OldestUnsettled
		}
	}
}

// byTrouble returns the groups, the one in most trouble first.
func (s *snapshot) byTrouble() []groupView {
	out := append([]groupView(nil), s.groups...)
	sort.SliceStable(out, func(i, j int) bool { return out[i].Trouble > out[j].Trouble })
	return out
}

// topic and group find one by name; nil if the snapshot does not have it.
func (s *snapshot) topic(name string) *topicView {
	i := sort.Search(len(s.topics), func(i int) bool { return s.topics[i].Name >= name })
	if i < len(s.topics) && s.topics[i].Name == name {
		return &s.topics[i]
	}
	return nil
}

func (s *snapshot) group(name string) *groupView {
	i := sort.Search(len(s.groups), func(i int) bool { return s.groups[i].Name >= name })
	if i < len(s.groups) && s.groups[i].Name == name {
		return &s.groups[i]
	}
	return nil
}

// run takes a snapshot every ten seconds, so that rates have something to compare with, until ctx is done.
func (s *sampler) run(ctx context.Context) error {
	rec := &recorder{source: s.source}
	tick := time.NewTicker(history.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			snap, err := s.get(ctx)
			if err != nil && ctx.Err() != nil {
				return err
			}
			if err == nil && snap.measured {
				rec.add(sampleOf(snap))
				s.heat.note(snap)
			}
		}
	}
}
