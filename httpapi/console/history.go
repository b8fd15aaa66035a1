package console

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/history"
)

// Limits of the history; the ring itself is queue/history's.
const (
	historyPoints = 720 // of a chart: what is more is thinned out, the highest of each stretch stays
	historyNamed  = 32  // groups, and topics, of one sample: those with the most to do
	historyName   = 44  // bytes of a name: 64 of them and the totals are within history.MaxSample
	quietFor      = 5 * time.Minute
)

// sample is what a moment leaves behind, as it is stored: a version, the totals, and then, twice, a count and that many names (behind their lengths) with
// their values: groups (lag, out, failing, dead letters) and topics (in, bytes, lag, size). Numbers are float32, little endian.
type sample struct {
	at    int64 // Unix seconds
	bytes []byte
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

const (
	sampleVersion = 1
	namedValues   = 4
	valuesBytes   = 4 * namedValues
)

// sampleOf makes a sample of a snapshot.
func sampleOf(s *snapshot) sample {
	t := s.total
	totals := [historyTotals]float64{
		sampleIn: t.In, sampleOut: t.Out, sampleFailed: t.Failed, sampleDied: t.Dying, sampleBacklog: float64(t.Backlog),
		sampleLeased: float64(t.Leased), sampleDeferred: float64(t.Deferred), sampleLetters: float64(t.Letters),
		sampleCommit: s.slow.Seconds() * 1000, sampleDisk: float64(s.health.Used),
	}
	b := appendFloats([]byte{sampleVersion}, totals[:]...)
	groups := s.byTrouble()
	groups = groups[:min(len(groups), historyNamed)]
	b = append(b, byte(len(groups)))
	for i := range groups {
		g := &groups[i]
		b = appendNamed(b, g.Name, float64(g.Totals.Lag), known(g.Acking), known(g.Failing), float64(g.Totals.DeadLetters))
	}
	topics := slices.Clone(s.topics)
	slices.SortStableFunc(topics, func(x, y topicView) int { return cmp.Compare(known(y.In), known(x.In)) })
	topics = topics[:min(len(topics), historyNamed)]
	b = append(b, byte(len(topics)))
	for i := range topics {
		t := &topics[i]
		b = appendNamed(b, t.Name, known(t.In), known(t.Bytes), float64(t.Lag), float64(t.Size))
	}
	return sample{s.at.Unix(), b}
}

func appendNamed(b []byte, name string, values ...float64) []byte {
	name = name[:min(len(name), historyName)]
	b = append(append(b, byte(len(name))), name...)
	return appendFloats(b, values...)
}

func appendFloats(b []byte, values ...float64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return b
}

func floatAt(b []byte, i int) (float64, bool) {
	if len(b) < 4*i+4 {
		return 0, false
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))), true
}

// total returns one of the totals; false if the sample is none of this version.
func (s sample) total(i int) (float64, bool) {
	if len(s.bytes) == 0 || s.bytes[0] != sampleVersion {
		return 0, false
	}
	return floatAt(s.bytes[1:], i)
}

// named returns a value of a group (list 0) or topic (list 1), if the sample has it.
func (s sample) named(list int, name string, i int) (float64, bool) {
	b := s.bytes
	if len(b) < 1+4*historyTotals || b[0] != sampleVersion {
		return 0, false
	}
	b = b[1+4*historyTotals:]
	name = name[:min(len(name), historyName)]
	for at := 0; at <= list && len(b) > 0; at++ {
		n := int(b[0])
		b = b[1:]
		for ; n > 0; n-- {
			if len(b) == 0 || len(b) < 1+int(b[0])+valuesBytes {
				return 0, false
			}
			end := 1 + int(b[0])
			if at == list && string(b[1:end]) == name {
				return floatAt(b[end:], i)
			}
			b = b[end+valuesBytes:]
		}
	}
	return 0, false
}

// recorder adds samples to the ring. While nothing changes it adds one in quietFor only, and the last one unchanged before a change.
type recorder struct {
	source  Source
	last    sample // added
	skipped sample // as the last one
}

func (r *recorder) add(s sample) {
	if bytes.Equal(s.bytes, r.last.bytes) && s.at-r.last.at < int64(quietFor/time.Second) {
		r.skipped = s
		return
	}
	if r.skipped.at > r.last.at {
		r.source.AddHistory(queue.HistorySample{At: r.skipped.at, Bytes: r.skipped.bytes})
	}
	r.last = s
	r.source.AddHistory(queue.HistorySample{At: s.at, Bytes: s.bytes})
}

// since reads the samples from a time on.
func since(source Source, at int64) []sample {
	stored := source.History(at)
	out := make([]sample, len(stored))
	for i, s := range stored {
		out[i] = sample{s.At, s.Bytes}
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
	of          func(s sample) (float64, bool)
}

func total(name, color string, i int) line {
	return line{name, color, func(s sample) (float64, bool) { return s.total(i) }}
}

func named(list int, who, name, color string, i int) line {
	return line{name, color, func(s sample) (float64, bool) { return s.named(list, who, i) }}
}

// lines are the lines of a chart by its name.
func lines(series, group, topic string) []line {
	const groups, topics = 0, 1
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
	body := jsonBody(chart(since(v.c.cfg.Source, v.now.Add(-span).Unix()), ls))
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
		return history.Span, nil
	}
	d, err := api.ParseDuration(text)
	if err != nil || d < time.Minute || d > history.Span {
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
		if last > 0 && part[0].at-last > int64((quietFor+time.Minute)/time.Second)*int64(stretch) {
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
		if f, ok := l.of(part[i]); ok {
			most = max(most, f)
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
func died(source Source, now time.Time) (n int64, over time.Duration) {
	samples := since(source, now.Add(-time.Hour).Unix())
	sum := 0.0
	for i, s := range samples {
		perSecond, _ := s.total(sampleDied)
		span := history.Every.Seconds()
		if i > 0 {
			span = min(float64(s.at-samples[i-1].at), 60)
		}
		sum += perSecond * span
	}
	if len(samples) > 0 {
		over = now.Sub(time.Unix(samples[0].at, 0))
	}
	return int64(math.Round(sum)), over
}
