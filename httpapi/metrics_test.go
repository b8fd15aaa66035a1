package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
)

func TestMetrics(t *testing.T) {
	commits := NewCommits()
	inBubbleWith(t, queue.Config{Version: "1.2.3", ObserveCommit: commits.Observe}, Config{Commits: commits}, func(h *house) {
		h.group(3)
		receipts := h.take(2)
		h.post("/v1/groups/g/nack", `{"receipt":"`+receipts[0]+`","delay":"1h"}`).is(200)
		h.post("/v1/groups/g/release", `{"receipt":"`+receipts[1]+`"}`).is(200)
		again := h.take(1)[0] // the released one
		h.post("/v1/groups/g/extend", `{"receipt":"`+again+`"}`).is(200)
		h.put("/v1/groups/x", `{"topics":["t"],"dead_letter":{"enabled":false},"max_attempts":1}`).is(201)
		lost := into[api.LeaseResponse](h.post("/v1/groups/x/lease", `{"max":3}`).is(200)).Records
		h.post("/v1/groups/x/ack", `{"receipt":"`+lost[0].Receipt+`"}`).is(200)
		h.post("/v1/groups/x/reject", `{"receipt":"`+lost[1].Receipt+`"}`).is(200)
		go h.post("/v1/groups/x/lease", `{"wait":"60s","topics":["t"],"lease":"5m"}`)
		synctest.Wait()
		if a := h.get("/metrics").is(200); !strings.Contains(a.body, "\nholt_group_waiters{group=\"x\"} 1\n") {
			t.Error("no parked lease is shown")
		}
		h.get("/v1/topics/absent").is(404)
		h.get("/absent").is(404)
		time.Sleep(90 * time.Second)
		a := h.get("/metrics").is(200)
		for _, want := range []string{
			`holt_build_info{engine="memory",version="1.2.3"} 1`,
			`holt_topic_records_published_total{topic="t"} 3`,
			`holt_topic_bytes_published_total{topic="t"} 9`,
			`holt_group_leased_total{group="g"} 3`,
			`holt_group_acked_total{group="g"} 0`,
			`holt_group_acked_total{group="x"} 1`,
			`holt_group_nacked_total{group="g"} 1`,
			`holt_group_released_total{group="g"} 1`,
			`holt_group_rejected_total{group="x"} 1`,
			`holt_group_extended_total{group="g"} 1`,
			`holt_group_expired_total{group="g"} 1`,
			`holt_group_dead_lettered_total{group="x"} 0`,
			`holt_group_redelivered_total{group="g"} 1`,
			`holt_group_waiters{group="x"} 0`,
			`holt_store_disk_bytes `,
			`holt_store_commit_seconds_count `,
			`holt_store_commit_records_sum 3`,
			`holt_group_lag{group="g"} 3`,
			`holt_group_available{group="g"} 2`,
			`holt_group_leased{group="g"} 0`,
			`holt_group_deferred{group="g"} 1`,
			`holt_group_dead_letters{group="g"} 0`,
			`holt_group_oldest_unsettled_age_seconds{group="g"} 90`,
			`holt_group_oldest_available_age_seconds{group="g"} 90`,
			`holt_group_members{group="g"} 0`,
			`holt_group_paused{group="g"} 0`,
			`holt_group_dropped_total{group="x"} 2`,
			`holt_group_queue_seconds_count{group="g"} 2`,
			`holt_group_queue_seconds_bucket{group="g",le="0.005"} 2`,
			`holt_group_handle_seconds_count{group="g"} 1`,
			`holt_group_attempts_count{group="g"} 0`,
			`holt_group_handle_seconds_count{group="x"} 2`,
			`holt_group_attempts_bucket{group="x",le="1"} 3`,
			`holt_topic_stored_bytes{topic="t"} `,
			`holt_topic_scheduled{topic="t"} 0`,
			`holt_store_low 0`,
			`holt_http_problems_total{code="topic_not_found"} 1`,
			`holt_scrape_left_out{noun="topics"} 0`,
			`holt_http_request_seconds_count{code="200",route="POST /v1/groups/{group}/lease"} 4`,
			`holt_http_request_seconds_count{code="200",route="POST /v1/topics/{topic}/records"} 3`,
			`holt_http_request_seconds_count{code="404",route="GET /v1/topics/{topic}"} 1`,
			`holt_http_request_seconds_count{code="404",route="none"} 1`,
			`go_goroutines `,
		} {
			if !strings.Contains(a.body, "\n"+want) {
				t.Errorf("no line %s", want)
			}
		}
		if strings.Contains(a.body, "\nholt_store_free_bytes ") {
			t.Error("free bytes are shown though the engine does not know them")
		}
		if strings.Contains(a.body, "absent") {
			t.Error("a path became a label")
		}
	})
}

// Workers of a share group are there while they hold something or wait, and half a minute longer; members of an ordered group until their session is over.
func TestMembersMetric(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		h.post("/v1/groups/o/join", `{"topics":["t"],"session":"2m"}`).is(200)
		for _, step := range []struct {
			does     func()
			after    time.Duration
			in, of   int // of the share group, and of the ordered one
			lastSeen time.Duration
		}{
			{func() { h.post("/v1/groups/g/lease", `{"member":"w","lease":"1m"}`).is(200) }, 59 * time.Second, 1, 1, 59 * time.Second},
			{func() {}, 2 * time.Second, 0, 1, 61 * time.Second},
			{func() { h.post("/v1/groups/g/pause", "").is(200) }, 0, 0, 1, 61 * time.Second},
			{func() { go h.post("/v1/groups/g/lease", `{"member":"w","wait":"50s"}`) }, 49 * time.Second, 1, 1, 0},
			{func() {}, 30 * time.Second, 1, 0, 29 * time.Second},
			{func() {}, time.Second, 0, 0, 30 * time.Second},
		} {
			step.does()
			time.Sleep(step.after)
			synctest.Wait()
			body := h.get("/metrics").is(200).body
			for group, n := range map[string]int{"g": step.in, "o": step.of} {
				if want := fmt.Sprintf("\nholt_group_members{group=%q} %d\n", group, n); !strings.Contains(body, want) {
					t.Errorf("no line %s", want)
				}
			}
			g := into[api.Group](h.get("/v1/groups/g").is(200))
			if ago := time.Since(time.Time(*g.Members[0].LastSeenAt)).Round(time.Second); ago != step.lastSeen {
				t.Errorf("last seen %v ago, want %v", ago, step.lastSeen)
			}
		}
	})
}

// Jobs of dead letters are counted by state, and their letters by what became of them.
func TestRedriveMetrics(t *testing.T) {
	inBubble(t, func(h *house) {
		h.dead(`{"value":1}`, `{"value":2}`)
		id := into[api.Redrive](h.post(letters+"/redrive", `{"all":true}`).is(202)).ID
		h.get("/v1/redrives/" + id + "?wait=60s").is(200)
		got := into[api.LeaseResponse](h.post("/v1/groups/g/lease", `{}`).is(200)).Records
		h.post("/v1/groups/g/ack", `{"receipt":"`+got[0].Receipt+`"}`).is(200)
		body := h.get("/metrics").is(200).body
		for _, want := range []string{
			`holt_redrive_jobs{state="running"} 0`, `holt_redrive_jobs{state="done"} 1`, `holt_redrive_jobs{state="failed"} 0`,
			`holt_redrive_records{group="g",outcome="matched"} 2`, `holt_redrive_records{group="g",outcome="redriven"} 2`,
			`holt_redrive_records{group="g",outcome="succeeded"} 1`, `holt_redrive_records{group="g",outcome="died_again"} 0`,
		} {
			if !strings.Contains(body, "\n"+want+"\n") {
				t.Errorf("no line %s", want)
			}
		}
	})
}

// A list that takes too long is left out, and the rest is shown.
func TestScrapeTakesItsTime(t *testing.T) {
	inBubble(t, func(h *house) {
		h.group(1)
		h.spy.topics = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		start := time.Now()
		a := h.get("/metrics").is(200)
		if time.Since(start) != scrapeTimeout || !strings.Contains(a.body, "\nholt_group_lag{group=\"g\"} 1\n") ||
			!strings.Contains(a.body, "\nholt_scrape_left_out{noun=\"topics\"} 1\n") || !strings.Contains(a.body, "\nholt_scrape_left_out{noun=\"groups\"} 0\n") {
			t.Errorf("after %v:\n%s", time.Since(start), a.body)
		}
		h.spy.topics = func(context.Context) error { return queue.ErrCorrupt }
		if a := h.get("/metrics"); a.status != 500 {
			t.Errorf("of a broken list: %d", a.status)
		}
	})
}
