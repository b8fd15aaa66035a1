package console

import (
	"sort"
	"strings"
	"testing"
	"time"
)

// A new cause with thousands of letters stands before a new one with a single letter that died later, and both before what is known.
func TestOrdersOfErrors(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(first, last time.Duration) (time.Time, time.Time) { return now.Add(-first), now.Add(-last) }
	all := []letterGroup{{Value: "known, long ago", Count: 90_000}, {Value: "single", Count: 1, New: true}, {Value: "known, lately", Count: 2}, {Value: "outage", Count: 35_000, New: true}}
	all[0].FirstAt, all[0].LastAt = ago(90*time.Hour, 80*time.Hour)
	all[1].FirstAt, all[1].LastAt = ago(time.Second, time.Second)
	all[2].FirstAt, all[2].LastAt = ago(70*time.Hour, 0)
	all[3].FirstAt, all[3].LastAt = ago(time.Minute, 9*time.Second)
	for name, c := range map[string]struct {
		less func(a, b *letterGroup) bool
		want string
	}{
		"urgency": {byUrgency, "outage; single; known, lately; known, long ago"},
		"last":    {letterOrders[""], "known, lately; single; outage; known, long ago"},
		"most":    {letterOrders["most"], "known, long ago; outage; known, lately; single"},
		"newer":   {letterOrders["newer"], "single; outage; known, lately; known, long ago"},
	} {
		sorted := append([]letterGroup(nil), all...)
		sort.SliceStable(sorted, func(i, j int) bool { return c.less(&sorted[i], &sorted[j]) })
		var names []string
		for _, g := range sorted {
			names = append(names, g.Value)
		}
		if got := strings.Join(names, "; "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
