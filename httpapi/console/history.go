package console

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Limits of the history.
const (
	historySpan   = 24 * time.Hour
	historyPoints = 720 // of a chart: what is more is thinned out, the highest of each stretch stays
	historyNamed  = 64  // groups, and topics, of one sample: those with the most to do
)

// sample is what a moment leaves behind.
type sample struct {
	at     int64 // Unix seconds
	total  [historyTotals]float32
	groups []namedSample
	topics []namedSample
}

// The places of a sample's totals.
const (
	sampleIn = iota
	sampleOut
	sampleFailed
	sampleDied
	sampleBacklog
	sampleLeased
	sampleDeferred
	sampleLetters
	sampleCommit // ms, the slowest in a hundred
	sampleDisk
	historyTotals
)

// namedSample is the same of one group (lag, out, failing, dead letters) or topic (in, bytes, records of each partition not kept).
type namedSample struct {
	name   string
	values [4]float32
}

// ring holds the samples of the last 24 hours, the oldest first.
type ring struct {
	mu      sync.Mutex
	samples []sample
}

func (r *ring) add(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, s)
	old := s.at - int64(historySpan.Seconds())
	for len(r.samples) > 0 && (r.samples[0].at < old || len(r.samples) > int(historySpan/sampleEvery)) {
		r.samples = r.samples[1:]
	}
}

// since returns the samples from a time on. They are not changed any more.
func (r *ring) since(at int64) []sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := len(r.samples)
	for i > 0 && r.samples[i-1].at >= at {
		i--
	}
	return r.samples[i:len(r.samples):len(r.samples)]
}

// sampleOf makes a sample of a snapshot.
func sampleOf(s *snapshot) sample {
	t := s.total
	out := sample{at: s.at.Unix(), total: [historyTotals]float32{
		sampleIn: float32(t.In), sampleOut: float32(t.Out), sampleFailed: float32(t.Failed), sampleDied: float32(t.Dying), sampleBacklog: float32(t.Backlog),
		sampleLeased: float32(t.Leased), sampleDeferred: float32(t.Deferred), sampleLetters: float32(t.Letters),
		sampleCommit: float32(s.slow.Seconds() * 1000), sampleDisk: float32(s.health.Used),
	}}
	for _, g := range s.byTrouble()[:min(len(s.groups), historyNamed)] {
		out.groups = append(out.groups, namedSample{g.Name, [4]float32{float32(g.Totals.Lag), float32(known(g.Acking)), float32(known(g.Failing)), float32(g.Totals.DeadLetters)}})
	}
	for _, t := range s.topics[:min(len(s.topics), historyNamed)] {
		out.topics = append(out.topics, namedSample{t.Name, [4]float32{float32(known(t.In)), float32(known(t.Bytes)), float32(t.Lag), float32(t.Size)}})
	}
	return out
}

// chartData is what a chart draws; nil is a gap.
type chartData struct {
	Times  []int64       `json:"times"`
	Series []chartSeries `json:"series"`
}

type chartSeries struct {
	Name   string     `json:"name"`
	Color  string     `json:"color"`
	Values []*float64 `json:"values"`
}

// line is one line of a chart: where its values are.
type line struct {
	name, color string
	of          func(s *sample) (float32, bool)
}

func total(name, color string, i int) line {
	return line{name, color, func(s *sample) (float32, bool) { return s.total[i], true }}
}

func named(list func(s *sample) []namedSample, who, name, color string, i int) line {
	return line{name, color, func(s *sample) (float32, bool) {
		for _, n := range list(s) {
			if n.name == who {
				return n.values[i], true
			}
		}
		return 0, false
	}}
}

// lines are the lines of a chart by its name.
func lines(series, group, topic string) []line {
	groups := func(s *sample) []namedSample { return s.groups }
	topics := func(s *sample) []namedSample { return s.topics }
	switch series {
	case "rates":
		return []line{total("in", "leased", sampleIn), total("out", "available", sampleOut), total("failing", "deferred", sampleFailed), total("dying", "dead", sampleDied)}
	case "backlog":
		return []line{total("backlog", "accent", sampleBacklog)}
	case "flight":
		return []line{total("in flight", "leased", sampleLeased), total("deferred", "deferred", sampleDeferred)}
	case "letters":
		return []line{total("open dead letters", "dead", sampleLetters)}
	case "commit":
		return []line{total("slowest 1 %", "accent", sampleCommit)}
	case "disk":
		return []line{total("disk", "accent", sampleDisk)}
	case "group":
		return []line{named(groups, group, "lag", "accent", 0)}
	case "grouprates":
		return []line{named(groups, group, "out", "available", 1), named(groups, group, "failing", "deferred", 2)}
	case "groupletters":
		return []line{named(groups, group, "open dead letters", "dead", 3)}
	case "topic":
		return []line{named(topics, topic, "in", "leased", 0)}
	}
	return nil
}

// historyData answers the data of a chart: ?series=, ?span=1h to 24h, ?group=, ?topic=.
func historyData(v *visit) error {
	q := v.r.URL.Query()
	span, err := spanOf(q.Get("span"))
	if err != nil {
		return err
	}
	ls := lines(q.Get("series"), q.Get("group"), q.Get("topic"))
	if ls == nil {
		return badf("there is no series %q", clip(q.Get("series"), 40))
	}
	body := jsonBody(chart(v.c.sampler.ring.since(v.now.Add(-span).Unix()), ls))
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	allowWrite(v.w, len(body))
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(body) // the browser is gone: nothing to do
	return nil
}

func spanOf(text string) (time.Duration, error) {
	if text == "" {
		return historySpan, nil
	}
	d, err := api.ParseDuration(text)
	if err != nil || d < time.Minute || d > historySpan {
		return 0, badf("span must be from 1m to 24h, not %q", clip(text, 20))
	}
	return d, nil
}

// chart thins samples out to historyPoints; of each stretch the highest value stays. A pause of the server is a gap.
func chart(samples []sample, ls []line) chartData {
	out := chartData{Times: []int64{}, Series: make([]chartSeries, len(ls))}
	for i, l := range ls {
		out.Series[i] = chartSeries{Name: l.name, Color: l.color, Values: []*float64{}}
	}
	stretch := max((len(samples)+historyPoints-1)/historyPoints, 1)
	last := int64(0)
	for low := 0; low < len(samples); low += stretch {
		part := samples[low:min(low+stretch, len(samples))]
		if last > 0 && part[0].at-last > int64(6*sampleEvery.Seconds())*int64(stretch) {
			out.Times = append(out.Times, last+1)
			for i := range out.Series {
				out.Series[i].Values = append(out.Series[i].Values, nil)
			}
		}
		last = part[len(part)-1].at
		out.Times = append(out.Times, last)
		for i, l := range ls {
			out.Series[i].Values = append(out.Series[i].Values, highest(part, l))
		}
	}
	return out
}

func highest(part []sample, l line) *float64 {
	most := math.Inf(-1)
	for i := range part {
		if f, ok := l.of(&part[i]); ok {
			most = max(most, float64(f))
		}
	}
	if math.IsInf(most, -1) {
		return nil
	}
	most = math.Round(most*1000) / 1000
	return &most
}

// historyPage is the last 24 hours: of everything, or of one group.
type historyPage struct {
	Span, Group string
	Groups      []string
	Charts      []chartBox
}

type chartBox struct{ Title, Query, Unit string }

func showHistory(v *visit) error {
	q := v.r.URL.Query()
	span := q.Get("span")
	if span == "" {
		span = "24h"
	}
	if _, err := spanOf(span); err != nil {
		return err
	}
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	d := historyPage{Span: span, Group: q.Get("group")}
	for _, g := range s.groups {
		d.Groups = append(d.Groups, g.Name)
	}
	add := func(title, series, unit string) {
		query := url.Values{"series": {series}, "span": {span}}
		if d.Group != "" {
			query.Set("group", d.Group)
		}
		d.Charts = append(d.Charts, chartBox{title, query.Encode(), unit})
	}
	if d.Group != "" {
		add("Lag, records", "group", "")
		add("Records per second", "grouprates", "")
		add("Open dead letters", "groupletters", "")
	} else {
		add("Records per second", "rates", "")
		add("Backlog, records", "backlog", "")
		add("In flight and deferred, records", "flight", "")
		add("Open dead letters", "letters", "")
		add("Commit, slowest in a hundred, ms", "commit", "")
		add("Disk, bytes", "disk", "")
	}
	return v.render(v.page("history", "History", d))
}

// died is how many records became dead letters within the last hour, as far back as the samples go.
func (r *ring) died(now time.Time) (n int64, over time.Duration) {
	samples := r.since(now.Add(-time.Hour).Unix())
	sum := 0.0
	for i := range samples {
		sum += float64(samples[i].total[sampleDied]) * sampleEvery.Seconds()
	}
	if len(samples) > 0 {
		over = now.Sub(time.Unix(samples[0].at, 0))
	}
	return int64(math.Round(sum)), over
}
