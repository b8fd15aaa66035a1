package console

import (
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/client/api"
)

// letterGroup is a group of dead letters with the same error, of one group of readers.
type letterGroup struct {
	Group, Value, Link string
	Count              int64
	FirstAt, LastAt    time.Time
	Sample             string
	New                bool  // first seen within the last hour
	Again              int64 // of them: died after a redrive
	Spark              []sparkBar
	Query              url.Values // that chooses them
}

// sparkBar is one bar of a spark line, in a box of 96 × 22.
type sparkBar struct{ X, Y, H int }

// letterFilters are the parameters that choose letters.
var letterFilters = []string{"state", "reason", "error", "fingerprint", "topic", "key", "since", "until"}

// chosen is the part of a query that chooses letters.
func chosen(q url.Values) url.Values {
	out := url.Values{}
	for _, name := range letterFilters {
		if text := strings.TrimSpace(q.Get(name)); text != "" {
			out.Set(name, text)
		}
	}
	return out
}

// errorsOf asks for a group's error groups; nil if there are none to be had.
func (v *visit) errorsOf(group string, filter url.Values, limit int) ([]letterGroup, error) {
	q := url.Values{"limit": {plainInt(limit)}}
	for k, vs := range filter {
		q[k] = vs
	}
	got, err := read[api.LetterSummary](v, get(q, "groups", group, "dead-letters", "summary"))
	if isCode(err, api.NotFound, api.GroupNotFound, api.GroupKindMismatch) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([]letterGroup, len(got.Items))
	for i, it := range got.Items {
		value := textOf(it.Value)
		choose := url.Values{"fingerprint": {value}}
		if s := filter.Get("state"); s != "" {
			choose.Set("state", s)
		}
		out[i] = letterGroup{
			Group: group, Value: value, Count: int64(it.Count), FirstAt: time.Time(it.FirstAt), LastAt: time.Time(it.LastAt), Again: int64(it.DiedAgain), Sample: it.SampleID,
			New: v.now.Sub(time.Time(it.FirstAt)) < time.Hour, Query: choose, Link: "groups/" + group + "/letters?" + choose.Encode(),
		}
		if value == "" {
			out[i].Value, out[i].Link = "(no error was given)", "groups/"+group+"/letters"
		}
	}
	return out, nil
}

func plainInt(n int) string { return strings.ReplaceAll(num(n), ",", "") }

// letterOrders are the orders of error groups by their names in ?sort=; "" is the one that died last first.
var letterOrders = map[string]func(a, b *letterGroup) bool{
	"":      func(a, b *letterGroup) bool { return a.LastAt.After(b.LastAt) },
	"most":  func(a, b *letterGroup) bool { return a.Count > b.Count },
	"newer": func(a, b *letterGroup) bool { return a.FirstAt.After(b.FirstAt) },
}

// byUrgency puts new errors first, the one with the most letters before the others: what somebody who was just woken wants to see. Then come those that died last.
func byUrgency(a, b *letterGroup) bool {
	switch {
	case a.New != b.New:
		return a.New
	case a.New:
		return a.Count > b.Count
	}
	return a.LastAt.After(b.LastAt)
}

// openErrors are the error groups of all groups with open dead letters in an order, most of them at most.
func (v *visit) openErrors(s *snapshot, most int, less func(a, b *letterGroup) bool) ([]letterGroup, error) {
	const (
		asked = 20  // groups
		each  = 200 // errors of a group, the largest first: a new one may still be small
	)
	var out []letterGroup
	n := 0
	for _, g := range s.byTrouble() {
		if g.Totals.DeadLetters == 0 || n == asked {
			continue
		}
		n++
		got, err := v.errorsOf(g.Name, nil, each)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	sort.SliceStable(out, func(i, j int) bool { return less(&out[i], &out[j]) })
	out = out[:min(len(out), most)]
	for i := range out {
		out[i].Spark = v.c.sparks.of(v, out[i].Group, out[i].Value)
	}
	return out, nil
}

// showAllLetters shows the dead letters of all groups by their errors: ?sort=most, newer.
func showAllLetters(v *visit) error {
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	d := struct {
		Groups []groupView
		Errors []letterGroup
		Sort   string
	}{Sort: v.r.URL.Query().Get("sort")}
	less, known := letterOrders[d.Sort]
	if !known {
		d.Sort, less = "", letterOrders[""]
	}
	for _, g := range s.groups {
		if g.Totals.DeadLetters > 0 {
			d.Groups = append(d.Groups, g)
		}
	}
	sort.SliceStable(d.Groups, func(i, j int) bool { return d.Groups[i].Totals.DeadLetters > d.Groups[j].Totals.DeadLetters })
	if d.Errors, err = v.openErrors(s, 50, less); err != nil {
		return err
	}
	p := v.page("allletters", "Dead letters", d)
	p.Nav = "letters"
	return v.render(p)
}

// lettersPage lists the dead letters of a group.
type lettersPage struct {
	G      *groupView
	Errors []letterGroup
	Items  []letterRow
	Total  int
	Query  url.Values
	State  string
	Next   string
	Fields [][2]string // of the filter, for actions on all that match
	Off    bool        // this server has no such routes
}

// letterRow is a letter in a list.
type letterRow struct {
	api.Letter
	KeyText string
	HasKey  bool
	Preview string
}

// showLetters lists letters: ?state=, reason, error, fingerprint, topic, key, since, until, cursor.
func showLetters(v *visit) error {
	name, q := v.r.PathValue("group"), v.r.URL.Query()
	g, err := v.groupView(name)
	if err != nil {
		return err
	}
	d := lettersPage{G: g, Query: q, State: q.Get("state")}
	if d.State == "" {
		d.State = "open"
	}
	filter := chosen(q)
	for k, vs := range filter {
		d.Fields = append(d.Fields, [2]string{k, vs[0]})
	}
	sort.Slice(d.Fields, func(i, j int) bool { return d.Fields[i][0] < d.Fields[j][0] })
	ask := chosen(q)
	ask.Set("limit", "50")
	if c := q.Get("cursor"); c != "" {
		ask.Set("cursor", c)
	}
	list, err := read[api.LetterList](v, get(ask, "groups", name, "dead-letters"))
	if isCode(err, api.NotFound) {
		d.Off, err = true, nil
	}
	if err != nil {
		return err
	}
	for _, it := range list.Items {
		row := letterRow{Letter: it, Preview: preview(it.Value)}
		row.KeyText, row.HasKey = keyText(it.Key, it.KeyBase64)
		d.Items = append(d.Items, row)
	}
	d.Total, d.Next = list.Total, list.NextCursor
	if d.Errors, err = v.errorsOf(name, filter, 50); err != nil {
		return err
	}
	for i := range d.Errors {
		d.Errors[i].Spark = v.c.sparks.of(v, name, d.Errors[i].Value)
	}
	p := v.groupPage(name, "Dead letters of "+name, "letters", d)
	p.Tabs = v.groupTabs(g, "letters")
	return v.render(p)
}

// letterPage is one dead letter.
type letterPage struct {
	G        *groupView
	L        api.Letter
	Key      string
	HasKey   bool
	Headers  []headerView
	Value    valueView
	Form     url.Values // the editor, filled in
	P        asked
	State    string // of its record in the group
	Why      string
	Editable bool
}

// showLetter shows one letter, with an editor to redrive it.
func showLetter(v *visit) error {
	name, id := v.r.PathValue("group"), v.r.PathValue("id")
	g, err := v.groupView(name)
	if err != nil {
		return err
	}
	l, err := read[api.Letter](v, get(nil, "groups", name, "dead-letters", id))
	if err != nil {
		return err
	}
	d := letterPage{G: g, L: l, Headers: headersOf(l.Headers, l.HeadersBase64), Value: viewValue(l.Value, v.r.URL.Query().Get("as")), Editable: l.State == "open"}
	d.Key, d.HasKey = keyText(l.Key, l.KeyBase64)
	d.Form = url.Values{"group": {name}, "id": {id}}
	fillIn(d.Form, &api.Record{Headers: l.Headers, Value: l.Value})
	d.Form.Set("edit", "1")
	if d.Editable {
		p, err := planLetterRedrive(v, d.Form)
		if err != nil {
			return err
		}
		d.P = v.asked("letter.redrive", d.Form, p, nil)
	}
	if r, err := read[api.GroupRecordDetail](v, get(nil, "groups", name, "records", l.Topic, plainInt(l.Partition), strings.ReplaceAll(num(l.Offset), ",", ""))); err == nil {
		d.State, d.Why = r.State, r.Why.Detail
		if r.State == "settled" && r.Outcome != "" {
			d.State = r.Outcome
		}
	}
	p := v.groupPage(name, "Dead letter "+clip(id, 24), "letters", d)
	p.Name = "letter"
	p.Crumbs = append(p.Crumbs, crumb{"Dead letters", "groups/" + name + "/letters"})
	p.Tabs = v.groupTabs(g, "letters")
	return v.render(p)
}

// Spark lines show when letters died, by error: the last day in sparkBars bars.
const (
	sparkBars = 16
	sparkSpan = 24 * time.Hour
	sparkAge  = 30 * time.Second // how old what is drawn may be
	maxSparks = 256              // groups that are remembered
)

// sparks remembers the counts behind spark lines, by group.
type sparks struct {
	mu  sync.Mutex
	all map[string]*sparkCounts
}

type sparkCounts struct {
	at     time.Time
	counts map[string]*[sparkBars]int64
}

// of returns the bars of one error of a group.
func (s *sparks) of(v *visit, group, value string) []sparkBar {
	s.mu.Lock()
	known := s.all[group]
	s.mu.Unlock()
	if known == nil || v.now.Sub(known.at) > sparkAge {
		known = &sparkCounts{at: v.now, counts: map[string]*[sparkBars]int64{}}
		step := sparkSpan / sparkBars
		for i := range sparkBars {
			from := v.now.Add(-sparkSpan + time.Duration(i)*step)
			q := url.Values{"since": {from.UTC().Format(api.TimeFormat)}, "until": {from.Add(step).UTC().Format(api.TimeFormat)}}
			got, err := read[api.LetterSummary](v, get(q, "groups", group, "dead-letters", "summary"))
			if err != nil {
				return nil // a line less is no reason for no page
			}
			for _, it := range got.Items {
				c := known.counts[textOf(it.Value)]
				if c == nil {
					c = new([sparkBars]int64)
					known.counts[textOf(it.Value)] = c
				}
				c[i] = int64(it.Count)
			}
		}
		s.mu.Lock()
		if len(s.all) >= maxSparks {
			clear(s.all)
		}
		s.all[group] = known
		s.mu.Unlock()
	}
	c := known.counts[value]
	if c == nil {
		return nil
	}
	most := int64(1)
	for _, n := range c {
		most = max(most, n)
	}
	var out []sparkBar
	for i, n := range c {
		if n > 0 {
			h := max(int(22*n/most), 2)
			out = append(out, sparkBar{i * 6, 22 - h, h})
		}
	}
	return out
}
