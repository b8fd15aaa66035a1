package httpapi

import (
	"fmt"
	"net/http"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
)

func (a *API) putGroup(x *exchange) error {
	cond, body, err := x.change()
	if err != nil {
		return err
	}
	if err := mergeGroup(&queue.GroupChange{}, x.group, body); err != nil { // what is wrong with the body is so whatever is there
		return err
	}
	info, created, err := a.broker.PutGroup(x.ctx(), x.group, cond, func(old queue.GroupChange, _ bool) (queue.GroupChange, error) {
		err := mergeGroup(&old, x.group, body)
		return old, err
	})
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	return x.json(x.made(created, "/v1/groups/"+x.group), wireGroup(info))
}

func (a *API) getGroup(x *exchange) error {
	summary, err := x.summary()
	if err != nil {
		return err
	}
	describe := a.broker.Group
	if summary {
		describe = a.broker.GroupSummary
	}
	info, err := describe(x.ctx(), x.group)
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	return x.json(http.StatusOK, wireGroup(info))
}

func (a *API) listGroups(x *exchange) error {
	limit, after, err := x.pageByName("groups")
	if err != nil {
		return err
	}
	summary, err := x.summary()
	if err != nil {
		return err
	}
	list := a.broker.Groups
	if summary {
		list = a.broker.GroupSummaries
	}
	infos, err := list(x.ctx(), after, limit+1)
	if err != nil {
		return err
	}
	infos, next := cutPage("groups", infos, limit, func(g queue.GroupInfo) string { return g.Name })
	out := api.GroupList{Items: make([]api.Group, len(infos)), NextCursor: next}
	for i, info := range infos {
		out.Items[i] = wireGroup(info)
	}
	return x.json(http.StatusOK, out)
}

// summary tells whether the query asks to leave out what there is of each partition.
func (x *exchange) summary() (bool, error) {
	if !x.query.Has("partitions") {
		return false, nil
	}
	partitions, err := x.queryBool("partitions")
	return !partitions, err
}

func (a *API) deleteGroup(x *exchange) error {
	cond, err := x.condition()
	if err != nil {
		return err
	}
	if err := a.broker.DeleteGroup(x.ctx(), x.group, x.force, cond); err != nil {
		return err
	}
	return x.noContent()
}

func (a *API) pause(x *exchange) error { return a.setPaused(x, true) }

func (a *API) resume(x *exchange) error { return a.setPaused(x, false) }

func (a *API) setPaused(x *exchange, paused bool) error {
	if err := x.noFields(); err != nil {
		return err
	}
	info, _, err := a.broker.PutGroup(x.ctx(), x.group, queue.Condition{}, func(old queue.GroupChange, exists bool) (queue.GroupChange, error) {
		if !exists {
			return old, fmt.Errorf("group %s: %w", x.group, queue.ErrGroupNotFound)
		}
		old.Config.Paused = paused
		return old, nil
	})
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, api.Paused{Paused: info.Config.Paused})
}

// mergeGroup applies the body of a PUT. Fields that only a GET's answer has are ignored.
func mergeGroup(g *queue.GroupChange, name string, body []byte) error {
	def := catalog.DefaultGroup(name)
	return merged(body, func(m merger, name string) bool {
		switch name {
		case "name", "created_at", "totals", "partitions", "members":
			return m.ignored()
		case "kind":
			text(m, &g.Kind, catalog.KindShare)
		case "topics":
			g.Topics = topicNames(m.scanner)
		default:
			return mergeGroupConfig(m, &g.Config, def, name)
		}
		return true
	})
}

// topicNames reads a list of topics; null is none.
func topicNames(s *scanner) []string {
	var names []string
	s.array(func(i int) {
		if i >= catalog.MaxGroupTopics {
			s.fail(invalid("more than %d topics", catalog.MaxGroupTopics))
			return
		}
		names = append(names, topicName(s))
	})
	return names
}

// topicName reads the name of a topic.
func topicName(s *scanner) string {
	name := s.string()
	if s.err == nil && !catalog.ValidName(name) {
		s.fail(invalid("%q cannot name a topic: %s", cut(name), nameRule))
	}
	if catalog.Reserved(name) {
		s.fail(invalid("%q: names that begin with \"__\" are the server's own", name))
	}
	return name
}

func mergeGroupConfig(m merger, c *queue.GroupConfig, def queue.GroupConfig, name string) bool {
	switch name {
	case "start":
		text(m, &c.Start, def.Start)
	case "pin":
		m.flag(&c.Pin, def.Pin)
	case "lease":
		m.dur(&c.Lease, def.Lease)
	case "max_attempts":
		m.whole(&c.MaxAttempts, def.MaxAttempts)
	case "backoff":
		mergeBackoff(m, &c.Backoff, def.Backoff)
	case "ordering":
		text(m, &c.Ordering, def.Ordering)
	case "on_dead":
		text(m, &c.OnDead, def.OnDead)
	case "max_inflight":
		m.whole(&c.MaxInflight, def.MaxInflight)
	case "rate":
		mergeRate(m, c)
	case "key_concurrency":
		m.whole(&c.KeyConcurrency, def.KeyConcurrency)
	case "strict_leases":
		m.flag(&c.StrictLeases, def.StrictLeases)
	case "dead_letter":
		mergeDeadLetter(m, c, def)
	case "paused":
		m.flag(&c.Paused, def.Paused)
	default:
		return false
	}
	return true
}

// mergeBackoff merges a backoff. The two forms exclude each other: a body that names a field of the exponential form, and no
// steps, drops the steps that were there.
func mergeBackoff(m merger, b *catalog.Backoff, def catalog.Backoff) {
	exponential, steps := false, false
	within(m, b, def, func(name string) bool {
		switch name {
		case "initial":
			exponential = true
			m.dur(&b.Initial, def.Initial)
		case "multiplier":
			exponential = true
			m.number(&b.Multiplier, def.Multiplier)
		case "max":
			exponential = true
			m.dur(&b.Max, def.Max)
		case "jitter":
			m.number(&b.Jitter, def.Jitter)
		case "steps":
			steps = true
			b.Steps = backoffSteps(m)
		default:
			return false
		}
		return true
	})
	if exponential && !steps {
		b.Steps = nil
	}
}

func backoffSteps(m merger) []time.Duration {
	var steps []time.Duration
	m.array(func(i int) {
		if i >= catalog.MaxBackoffSteps {
			m.fail(invalid("more than %d steps", catalog.MaxBackoffSteps))
			return
		}
		steps = append(steps, m.duration(0, catalog.MaxDelay))
	})
	return steps
}

func mergeRate(m merger, c *queue.GroupConfig) {
	if m.null() {
		c.RatePerSecond, c.RateBurst = 0, 0
		return
	}
	m.object(func(name []byte) bool {
		switch string(name) {
		case "per_second":
			m.number(&c.RatePerSecond, 0)
		case "burst":
			m.whole(&c.RateBurst, 0)
		default:
			return false
		}
		return true
	})
}

func mergeDeadLetter(m merger, c *queue.GroupConfig, def queue.GroupConfig) {
	if m.null() {
		c.DeadLetters, c.DeadLetterTopic, c.DeadLetterOnTTL = def.DeadLetters, def.DeadLetterTopic, def.DeadLetterOnTTL
		return
	}
	m.object(func(name []byte) bool {
		switch string(name) {
		case "enabled":
			m.flag(&c.DeadLetters, def.DeadLetters)
		case "topic":
			text(m, &c.DeadLetterTopic, def.DeadLetterTopic)
		case "on_ttl":
			m.flag(&c.DeadLetterOnTTL, def.DeadLetterOnTTL)
		default:
			return false
		}
		return true
	})
}

func wireGroup(g queue.GroupInfo) api.Group {
	out := api.Group{
		Name: g.Name, Kind: string(g.Kind), Topics: g.Topics, Config: wireGroupConfig(g.Config), CreatedAt: api.Time(g.CreatedAt),
		Totals:  api.GroupTotals{Lag: g.Totals.Lag, Available: g.Totals.Available, Leased: g.Totals.Leased, Deferred: g.Totals.Deferred, DeadLetters: g.Totals.DeadLetters},
		Members: make([]api.GroupMember, len(g.Members)),
	}
	if g.Partitions != nil {
		out.Partitions = make([]api.GroupPartition, len(g.Partitions))
	}
	if out.Topics == nil {
		out.Topics = []string{}
	}
	for i, p := range g.Partitions {
		out.Partitions[i] = api.GroupPartition{
			Topic: p.Topic, Partition: p.Partition, StartOffset: int64(p.Start), EndOffset: int64(p.End), LogEndOffset: int64(p.LogEnd),
			Lag: p.Lag, Available: p.Available, Leased: p.Leased, Deferred: p.Deferred, OldestUnsettledAt: optionalTime(p.OldestUnsettled), Member: p.Member,
		}
	}
	for i, m := range g.Members {
		out.Members[i] = api.GroupMember{
			Member: m.Member, Leases: m.Leases, LastSeenAt: optionalTime(m.LastSeen),
			Epoch: m.Epoch, Session: api.Duration(m.Session), Topics: m.Topics, Assignment: wirePlaces(m.Assignment),
		}
	}
	return out
}

func wireGroupConfig(c queue.GroupConfig) api.GroupConfig {
	return api.GroupConfig{
		Lease: api.Duration(c.Lease), MaxAttempts: c.MaxAttempts, Backoff: wireBackoff(c.Backoff),
		Ordering: string(c.Ordering), OnDead: string(c.OnDead), MaxInflight: c.MaxInflight,
		Rate: api.Rate{PerSecond: c.RatePerSecond, Burst: c.RateBurst}, KeyConcurrency: c.KeyConcurrency, StrictLeases: c.StrictLeases,
		DeadLetter: api.DeadLetter{Enabled: c.DeadLetters, Topic: c.DeadLetterTopic, OnTTL: c.DeadLetterOnTTL},
		Paused:     c.Paused, Pin: c.Pin, Start: c.Start,
	}
}

// wireBackoff gives the form that is in effect.
func wireBackoff(b catalog.Backoff) api.Backoff {
	if len(b.Steps) == 0 {
		return api.Backoff{Initial: api.Duration(b.Initial), Multiplier: b.Multiplier, Max: api.Duration(b.Max), Jitter: b.Jitter}
	}
	out := api.Backoff{Jitter: b.Jitter, Steps: make([]api.Duration, len(b.Steps))}
	for i, s := range b.Steps {
		out.Steps[i] = api.Duration(s)
	}
	return out
}

func optionalTime(t time.Time) *api.Time {
	if t.IsZero() {
		return nil
	}
	out := api.Time(t)
	return &out
}
