package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// complainEvery is how often a collector that takes nothing is worth a line in the log.
const complainEvery = time.Minute

// Run sends spans until ctx is done, and then what is queued.
func (t *Tracer) Run(ctx context.Context) {
	tick := time.NewTicker(t.cfg.Every)
	defer tick.Stop()
	var batch []*otlp.Span
	var complained time.Time
	send := func(ctx context.Context) {
		if len(batch) == 0 {
			return
		}
		if err := t.send(ctx, batch); err != nil {
			t.dropped.Add(uint64(len(batch)))
			if now := time.Now(); now.Sub(complained) >= complainEvery {
				complained = now
				t.cfg.Log.Warn("spans are not sent", "collector", t.url, "spans", len(batch), "error", err)
			}
		} else {
			t.sent.Add(uint64(len(batch)))
		}
		batch = batch[:0]
	}
	for {
		select {
		case s := <-t.queue:
			if batch = append(batch, s.span()); len(batch) == maxBatch {
				send(ctx)
			}
		case <-tick.C:
			send(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			for len(t.queue) > 0 {
				if batch = append(batch, (<-t.queue).span()); len(batch) == maxBatch {
					send(last)
				}
			}
			send(last)
			return
		}
	}
}

// send posts spans as an ExportTraceServiceRequest, which has the wire form of TracesData (opentelemetry-proto, collector/trace/v1).
func (t *Tracer) send(ctx context.Context, spans []*otlp.Span) error {
	body, err := proto.Marshal(&otlp.TracesData{ResourceSpans: []*otlp.ResourceSpans{{
		Resource:   &resource.Resource{Attributes: []*common.KeyValue{text(attrService, system), text(attrVersion, t.cfg.Version)}},
		ScopeSpans: []*otlp.ScopeSpans{{Scope: &common.InstrumentationScope{Name: "github.com/holtmq/holt"}, Spans: spans}},
	}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := t.cfg.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	return nil
}
