package catalog

import (
	"testing"
	"time"
)

func TestTimesOverDaylightSaving(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		name, cron, after string
		want              []string
	}{
		{"put forward over it: once, as much later", "30 2 * * *", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		{"put back over it: once, the first time", "30 2 * * *", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every half hour follows time", "*/30 * * * *", "2026-10-25T00:29:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"}},
	}
	for _, tt := range tests {
		times, err := ParseCron(tt.cron, "Europe/Paris")
		if err != nil {
			t.Fatal(err)
		}
		now := at(tt.after)
		for _, want := range tt.want {
			if now = times.Next(now); !now.Equal(at(want)) {
				t.Errorf("%s: %s, want %s", tt.name, now.Format(time.RFC3339), want)
			}
		}
	}
}

func TestParseCronRefuses(t *testing.T) {
	for _, expr := range []string{"", "* * * *", "61 * * * *", "0 0 31 2 *", "@every 1s", "TZ=UTC * * * * *", "x * * * *", "1,,3 * * * *", "* * * * ,", "* * * * 8", "* * * * 5-8", "* * * * 7-5"} {
		if _, err := ParseCron(expr, "UTC"); err == nil {
			t.Errorf("%q was taken", expr)
		}
	}
	for _, zone := range []string{"Mars/Olympus", "Local"} {
		if _, err := ParseCron("* * * * *", zone); err == nil {
			t.Errorf("the zone %s was taken", zone)
		}
	}
}

func TestSundaysAreZeroAndSeven(t *testing.T) {
	for field, same := range map[string]string{"7": "0", "5-7": "0,5,6", "1-7/2": "1,3,5,0", "0-7": "*", "1,7": "0,1", "7/3": "0", "7-7": "sun"} {
		a, err := ParseCron("0 9 * * "+field, "UTC")
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseCron("0 9 * * "+same, "UTC")
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for range 10 {
			next := a.Next(at)
			if want := b.Next(at); !next.Equal(want) {
				t.Errorf("%s fires at %v, %s at %v", field, next, same, want)
			}
			at = next
		}
	}
}
