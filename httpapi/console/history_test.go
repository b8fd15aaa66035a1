package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/history"
)

// notebook is a Source that only keeps samples.
type notebook struct {
	Source
	samples []queue.HistorySample
}

func (n *notebook) AddHistory(s queue.HistorySample)          { n.samples = append(n.samples, s) }
func (n *notebook) History(since int64) []queue.HistorySample { return n.samples }

func snapshotOf(at int64, lag int64) *snapshot {
	s := &snapshot{at: time.Unix(at, 0), total: totals{In: 12.5, Backlog: lag, Dying: .5}}
	for i := range 40 {
		g := groupView{GroupInfo: queue.GroupInfo{Name: fmt.Sprintf("%d-%s", i, strings.Repeat("long", 40)), Totals: queue.GroupTotals{Lag: lag, DeadLetters: 2}}, Trouble: float64(100 - i)}
		s.groups = append(s.groups, g)
		s.topics = append(s.topics, topicView{TopicInfo: queue.TopicInfo{Name: g.Name}, In: float64(100 - i), Size: 7})
	}
	return s
}

// A sample says what the snapshot did of those with the most to do, within the ring's limit, and damaged bytes say nothing.
func TestSamples(t *testing.T) {
	s := sampleOf(snapshotOf(1000, 9))
	if len(s.bytes) > history.MaxSample {
		t.Errorf("a sample of %d bytes", len(s.bytes))
	}
	first := "0-" + strings.Repeat("long", 40)
	for got, want := range map[string]string{
		fmt.Sprint(s.total(sampleIn)): "12.5 true", fmt.Sprint(s.total(sampleBacklog)): "9 true", fmt.Sprint(s.named(0, first, 0)): "9 true", fmt.Sprint(s.named(1, first, 3)): "7 true",
		fmt.Sprint(s.named(0, "39-"+strings.Repeat("long", 40), 0)): "0 false", fmt.Sprint(s.named(1, "none", 0)): "0 false",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for n := range s.bytes {
		cut := sample{1, s.bytes[:n]}
		cut.total(sampleDisk)
		cut.named(1, first, 3)
	}
}

// While nothing changes one sample in five minutes is kept; a change keeps the one before it, too, so that a chart has a step and no slope.
func TestQuietHistory(t *testing.T) {
	n := &notebook{}
	r := &recorder{source: n}
	at := int64(1000)
	for range 60 {
		r.add(sampleOf(snapshotOf(at, 1)))
		at += 10
	}
	if len(n.samples) != 3 {
		t.Errorf("%d samples of ten quiet minutes", len(n.samples))
	}
	r.add(sampleOf(snapshotOf(at, 2)))
	got := chart(since(n, 0), lines("backlog", "", ""))
	last := len(got.Times) - 1
	if got.Times[last] != at || got.Times[last-1] != at-10 || *got.Series[0].Values[last] != 2 || *got.Series[0].Values[last-1] != 1 {
		t.Errorf("times %v", got.Times)
	}
	r.add(sampleOf(snapshotOf(at+3600, 2))) // the server was away
	got = chart(since(n, 0), lines("backlog", "", ""))
	if v := got.Series[0].Values; v[len(v)-2] != nil || v[len(v)-1] == nil {
		t.Error("no gap where nothing was known")
	}
	if dead, over := died(n, time.Unix(at, 0)); dead == 0 || over != time.Duration(at-1000)*time.Second {
		t.Errorf("%d died in %v", dead, over)
	}
}

// A chart of a day has at most so many points, and keeps the peaks.
func TestChartsAreThinnedOut(t *testing.T) {
	n := &notebook{}
	for i := range int64(history.MaxSamples) {
		lag := int64(1)
		if i == 5001 {
			lag = 777
		}
		n.AddHistory(queue.HistorySample{At: i * 10, Bytes: sampleOf(&snapshot{at: time.Unix(i*10, 0), total: totals{Backlog: lag}}).bytes})
	}
	got := chart(since(n, 0), lines("backlog", "", ""))
	peak := 0.0
	for _, v := range got.Series[0].Values {
		peak = max(peak, *v)
	}
	if len(got.Times) > historyPoints || peak != 777 {
		t.Errorf("%d points, the highest %v", len(got.Times), peak)
	}
}
