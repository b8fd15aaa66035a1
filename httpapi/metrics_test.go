package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
)

func TestMetrics(t *testing.T) {
	inBubbleWith(t, queue.Config{Version: "1.2.3"}, Config{}, func(h *house) {
		h.group(3)
		receipts := h.take(2)
		h.post("/v1/groups/g/nack", `{"receipt":"`+receipts[0]+`","delay":"1h"}`).is(200)
		h.get("/v1/topics/absent").is(404)
		h.get("/absent").is(404)
		time.Sleep(90 * time.Second)
		a := h.get("/metrics").is(200)
		for _, want := range []string{
			`holt_build_info{engine="memory",version="1.2.3"} 1`,
			`holt_topic_records_published_total{topic="t"} 3`,
			`holt_group_lag{group="g"} 3`,
			`holt_group_available{group="g"} 2`,
			`holt_group_leased{group="g"} 0`,
			`holt_group_deferred{group="g"} 1`,
			`holt_group_dead_letters{group="g"} 0`,
			`holt_group_oldest_unsettled_age_seconds{group="g"} 90`,
			`holt_scrape_left_out{noun="topics"} 0`,
			`holt_http_request_seconds_count{code="200",route="POST /v1/groups/{group}/lease"} 1`,
			`holt_http_request_seconds_count{code="200",route="POST /v1/topics/{topic}/records"} 3`,
			`holt_http_request_seconds_count{code="404",route="GET /v1/topics/{topic}"} 1`,
			`holt_http_request_seconds_count{code="404",route="none"} 1`,
			`go_goroutines `,
		} {
			if !strings.Contains(a.body, "\n"+want) {
				t.Errorf("no line %s", want)
			}
		}
		if strings.Contains(a.body, "absent") {
			t.Error("a path became a label")
		}
	})
}
