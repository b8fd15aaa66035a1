package console

import (
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/store"
)

// overviewPage is how everything is.
type overviewPage struct {
	Total         totals
	Topics        int
	Groups        []groupView // by trouble
	GroupCount    int
	LeftOut       bool
	Health        store.Health
	Engine        string
	Typical, Slow string
	Uptime        string
	Deaths        string        // how many died lately
	Letters       []letterGroup // across groups, the most urgent first
}

// shownInTrouble is how many groups the overview lists.
const shownInTrouble = 12

func showOverview(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	d := overviewPage{
		Total: s.total, Topics: len(s.topics), GroupCount: len(s.groups), Groups: s.byTrouble(), LeftOut: s.leftOut, Health: s.health,
		Engine: v.c.cfg.Source.Info().Engine, Uptime: age(v.now.Sub(v.c.started)), Typical: "–", Slow: "–",
	}
	if s.typical > 0 {
		d.Typical, d.Slow = age(s.typical), age(s.slow)
		if s.typical.Milliseconds() < 10 {
			d.Typical = trimFloat(float64(s.typical.Microseconds())/1000, 2) + " ms"
		}
		if s.slow.Milliseconds() < 10 {
			d.Slow = trimFloat(float64(s.slow.Microseconds())/1000, 2) + " ms"
		}
	}
	if n, over := died(v.c.cfg.Source, v.now); over > 0 {
		d.Deaths = num(n) + " in " + age(min(over.Round(time.Minute), time.Hour))
		if over < time.Minute {
			d.Deaths = num(n) + " in 1 m"
		}
	}
	d.Groups = d.Groups[:min(len(d.Groups), shownInTrouble)]
	if d.Letters, err = v.openErrors(s, 8, byUrgency); err != nil {
		return err
	}
	return v.render(v.page("overview", "Overview", d))
}

// listPage is a list of topics or groups with its filter.
type listPage[T any] struct {
	Items   []T
	All     int
	Query   url.Values
	Q, Sort string
	LeftOut bool
}

// showTopics lists topics: ?q= part of the name, ?sort= name, in, lag, size, ?letters=1 dead-letter topics, too.
func showTopics(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := listPage[topicView]{All: len(s.topics), Query: q, Q: q.Get("q"), Sort: q.Get("sort"), LeftOut: s.leftOut}
	for _, t := range s.topics {
		if strings.Contains(strings.ToLower(t.Name), strings.ToLower(d.Q)) && (!t.LettersOf || q.Get("kind") != "plain") {
			d.Items = append(d.Items, t)
		}
	}
	less := map[string]func(a, b *topicView) bool{
		"in":   func(a, b *topicView) bool { return known(a.In) > known(b.In) },
		"lag":  func(a, b *topicView) bool { return a.Lag > b.Lag },
		"size": func(a, b *topicView) bool { return a.Size > b.Size },
	}[d.Sort]
	if less != nil {
		sort.SliceStable(d.Items, func(i, j int) bool { return less(&d.Items[i], &d.Items[j]) })
	}
	return v.render(v.page("topics", "Topics", d))
}

// showGroups lists groups: ?q= part of the name, ?state= lagging, leased, deferred, dead, paused, ?sort= name, trouble, lag, oldest, dead.
func showGroups(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := listPage[groupView]{All: len(s.groups), Query: q, Q: q.Get("q"), Sort: q.Get("sort"), LeftOut: s.leftOut}
	in := map[string]func(g *groupView) bool{
		"lagging":  func(g *groupView) bool { return g.Totals.Lag > 0 },
		"leased":   func(g *groupView) bool { return g.Totals.Leased > 0 },
		"deferred": func(g *groupView) bool { return g.Totals.Deferred > 0 },
		"dead":     func(g *groupView) bool { return g.Totals.DeadLetters > 0 },
		"paused":   func(g *groupView) bool { return g.Config.Paused },
		"failing":  func(g *groupView) bool { return known(g.Failing)+known(g.Dying) > 0 },
	}[q.Get("state")]
	for i := range s.groups {
		g := &s.groups[i]
		if strings.Contains(strings.ToLower(g.Name), strings.ToLower(d.Q)) && (in == nil || in(g)) {
			d.Items = append(d.Items, *g)
		}
	}
	less := map[string]func(a, b *groupView) bool{
		"":     func(a, b *groupView) bool { return a.Trouble > b.Trouble },
		"lag":  func(a, b *groupView) bool { return a.Totals.Lag > b.Totals.Lag },
		"dead": func(a, b *groupView) bool { return a.Totals.DeadLetters > b.Totals.DeadLetters },
		"out":  func(a, b *groupView) bool { return known(a.Acking) > known(b.Acking) },
		"oldest": func(a, b *groupView) bool {
			return !a.OldestUnsettled.IsZero() && (b.OldestUnsettled.IsZero() || a.OldestUnsettled.Before(b.OldestUnsettled))
		},
	}[d.Sort]
	if less != nil {
		sort.SliceStable(d.Items, func(i, j int) bool { return less(&d.Items[i], &d.Items[j]) })
	}
	return v.render(v.page("groups", "Groups", d))
}

// found is one thing with a page of its own.
type found struct{ Kind, Name, Link, Hint string }

// maxFound is how many a search shows.
const maxFound = 20

// showSearch finds topics and groups by a part of their name: ?q=.
func showSearch(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	q := strings.TrimSpace(v.r.URL.Query().Get("q"))
	d := struct {
		Q     string
		Items []found
	}{Q: q}
	low := strings.ToLower(q)
	for i := range s.groups {
		if g := &s.groups[i]; strings.Contains(strings.ToLower(g.Name), low) {
			d.Items = append(d.Items, found{"group", g.Name, "groups/" + g.Name, plural(g.Totals.Lag, "record behind", "records behind")})
		}
	}
	for i := range s.topics {
		if t := &s.topics[i]; strings.Contains(strings.ToLower(t.Name), low) {
			d.Items = append(d.Items, found{"topic", t.Name, "topics/" + t.Name, plural(t.Stored, "record", "records")})
		}
	}
	sort.SliceStable(d.Items, func(i, j int) bool { // what begins with the text first
		return strings.HasPrefix(strings.ToLower(d.Items[i].Name), low) && !strings.HasPrefix(strings.ToLower(d.Items[j].Name), low)
	})
	d.Items = d.Items[:min(len(d.Items), maxFound)]
	p := v.page("search", "Search", d)
	if v.partial() {
		return v.fragment("search", "found", p)
	}
	return v.render(p)
}
