package httpapi

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/holtmq/holt/queue"
)

// metricNames are those of a scrape that has something of everything.
func metricNames(t *testing.T) (names []string) {
	commits := NewCommits()
	inBubbleWith(t, queue.Config{ObserveCommit: commits.Observe}, Config{Commits: commits}, func(h *house) {
		h.spy.disk = true
		h.dead(`{"value":1}`)
		h.post(letters+"/redrive", `{"all":true}`).is(202)
		h.get("/v1/topics/absent").is(404)
		for _, m := range regexp.MustCompile(`(?m)^# TYPE (holt_\w+) `).FindAllStringSubmatch(h.get("/metrics").is(200).body, -1) {
			names = append(names, m[1])
		}
	})
	if len(names) < 30 {
		t.Fatalf("only %d metrics: %v", len(names), names)
	}
	return names
}

// used finds the metrics that expressions name; those of histograms without what Prometheus appends.
func used(text string) (names []string) {
	for _, n := range regexp.MustCompile(`\bholt_\w+`).FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			n = strings.TrimSuffix(n, suffix)
		}
		names = append(names, n)
	}
	return names
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Dashboard, alerts and guide name metrics that are there; the guide names all.
func TestMetricsAreDocumented(t *testing.T) {
	names := metricNames(t)
	guide := readDoc(t, "../docs/OPERATIONS.md")
	for _, n := range names {
		if !strings.Contains(guide, "| `"+n+"` |") {
			t.Errorf("docs/OPERATIONS.md does not say what %s is", n)
		}
	}
	for _, path := range []string{"../docs/grafana/holt.json", "../docs/alerts/holt.rules.yaml", "../docs/OPERATIONS.md"} {
		for _, n := range used(readDoc(t, path)) {
			if !slices.Contains(names, n) {
				t.Errorf("%s names the metric %s, which there is not", path, n)
			}
		}
	}
	shown := used(readDoc(t, "../docs/grafana/holt.json"))
	for _, n := range names {
		if n != "holt_build_info" && n != "holt_scrape_left_out" && n != "holt_store_low" && !slices.Contains(shown, n) {
			t.Errorf("the dashboard does not show %s", n)
		}
	}
}

type alertRules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

// Every alert has its place in the guide, and every such place its alert.
func TestAlertsHaveRunbooks(t *testing.T) {
	var rules alertRules
	if err := yaml.Unmarshal([]byte(readDoc(t, "../docs/alerts/holt.rules.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	guide := readDoc(t, "../docs/OPERATIONS.md")
	var alerts []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts = append(alerts, r.Alert)
			if r.Expr == "" || r.Annotations["summary"] == "" || r.Labels["severity"] != "critical" && r.Labels["severity"] != "warning" {
				t.Errorf("%s is not whole: %+v", r.Alert, r)
			}
			if !strings.HasSuffix(r.Annotations["runbook_url"], "docs/OPERATIONS.md#"+strings.ToLower(r.Alert)) {
				t.Errorf("%s links to %s", r.Alert, r.Annotations["runbook_url"])
			}
		}
	}
	if len(alerts) < 12 {
		t.Errorf("%d alerts", len(alerts))
	}
	var written []string
	for _, m := range regexp.MustCompile(`(?m)^#### (\w+)\n.{40}`).FindAllStringSubmatch(guide, -1) {
		written = append(written, m[1])
	}
	slices.Sort(alerts)
	slices.Sort(written)
	if !slices.Equal(alerts, written) {
		t.Errorf("alerts %v, runbooks %v", alerts, written)
	}
}

// The guide says of every code what to do, with its status.
func TestCodesHaveRunbooks(t *testing.T) {
	guide := readDoc(t, "../docs/OPERATIONS.md")
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\| .{20}").FindAllStringSubmatch(guide, -1) {
		rows[m[1]] = m[2]
	}
	known := codes(t)
	for code, status := range known {
		if got := rows[string(code)]; got != strconv.Itoa(status) {
			t.Errorf("docs/OPERATIONS.md has %s with %q, want %d", code, got, status)
		}
	}
	if len(rows) != len(known) {
		t.Errorf("docs/OPERATIONS.md has %d codes, want %d", len(rows), len(known))
	}
}

// The dashboard is one that Grafana can read: ids are unique, and panels lie beside each other.
func TestDashboardIsWhole(t *testing.T) {
	var d struct {
		Title, UID string
		Panels     []struct {
			ID      int
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readDoc(t, "../docs/grafana/holt.json")), &d); err != nil {
		t.Fatal(err)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for y := range p.GridPos.H {
			for x := range p.GridPos.W {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if at[0] >= 24 || taken[at] != "" {
					t.Fatalf("panel %q lies over %q at %v", p.Title, taken[at], at)
				}
				taken[at] = p.Title
			}
		}
	}
	if d.UID == "" || len(ids) < 20 {
		t.Errorf("%q with %d panels", d.UID, len(ids))
	}
}
