package catalog

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
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

// TestNewest holds Newest to going from firing to firing.
func TestNewest(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	var begins []time.Time // of days about which clocks are put forward or back, and of one in between
	for _, day := range []int{31 + 27, 31 + 28 + 26, 31 + 28 + 31 + 3, 180, 275, 295} {
		begins = append(begins, time.Date(2028, 1, day, 0, 0, 0, 0, time.UTC))
	}
	for _, zone := range []string{"UTC", "Europe/Paris", "Asia/Kathmandu", "Australia/Lord_Howe"} {
		for _, expr := range []string{"* * * * *", "*/7 * * * *", "@hourly", "30 2 * * *", "*/20 1-3 * * *", "5 4 * * 7", "0 0 1 * *", "15 10 29 2 *"} {
			times, err := ParseCron(expr, zone)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				after := begins[r.IntN(len(begins))].Add(time.Duration(r.Int64N(int64(72 * time.Hour))))
				until := after.Add(time.Duration(r.Int64N(int64(72 * time.Hour))))
				want := time.Time{}
				for next := times.Next(after); !next.IsZero() && !next.After(until); next = times.Next(next) {
					want = next
				}
				if got := times.Newest(after, until); !got.Equal(want) {
					t.Errorf("seed %d: %s in %s after %v until %v: %v, want %v", seed, expr, zone, after, until, got, want)
				}
			}
		}
	}
}

// counting counts how often it is asked.
type counting struct {
	cron.Schedule
	asked int
}

func (c *counting) Next(after time.Time) time.Time {
	c.asked++
	return c.Schedule.Next(after)
}

func TestNewestOfManyIsFoundAtOnce(t *testing.T) {
	times, err := ParseCron("* * * * *", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	spec := &counting{Schedule: times.spec}
	times.spec = spec
	after := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, until := range []time.Time{after.AddDate(100, 0, 0), after.AddDate(1000, 0, 0)} {
		spec.asked = 0
		got := times.Newest(after, until)
		if spec.asked > 40 {
			t.Errorf("until %v: asked %d times", until, spec.asked)
		}
		if until.Sub(after) < 1<<63-1 && !got.Equal(until) || got.After(until) || got.Before(after.AddDate(99, 0, 0)) {
			t.Errorf("until %v: %v", until, got)
		}
	}
}
