package httpapi

import (
	"net/http"
	"time"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/ordered"
	"github.com/holtmq/holt/queue/ordered/roster"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

// healthz says that the process is up.
func (a *API) healthz(x *exchange) error {
	return x.sent(x.write(http.StatusOK, "application/json", []byte("{\"status\":\"up\"}\n")))
}

// readyz says that calls can be served: 503 while the store is not open, and during a shutdown.
func (a *API) readyz(x *exchange) error {
	if err := a.broker.Ready(); err != nil {
		return err
	}
	return x.json(http.StatusOK, api.Readiness{Status: "ready", StorageFull: a.broker.Health().Low})
}

// info tells version, engine, and every limit. Bytes and counts are whole numbers, times whole milliseconds.
func (a *API) info(x *exchange) error {
	info := a.broker.Info()
	l := info.Limits
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return x.json(http.StatusOK, api.ServerInfo{Version: info.Version, Engine: info.Engine, Limits: map[string]int64{
		"body_bytes": l.MaxBody, "value_bytes": l.MaxValue, "key_bytes": l.MaxKey, "headers": l.MaxHeaders, "header_bytes": l.MaxHeaderBytes,
		"publish_records": l.MaxPublish, "id_bytes": l.MaxID, "lease_records": l.MaxLease, "max_bytes": l.MaxBytes, "read_records": l.MaxRead,
		"settle_receipts": maxSettle, "list_items": maxList, "json_depth": maxDepth, "waiting": share.MaxWaiting,
		"wait_ms": ms(l.MaxWait), "delay_ms": ms(l.MaxDelay), "min_lease_ms": ms(catalog.MinLease), "max_lease_ms": ms(catalog.MaxLease),
		"min_session_ms": ms(ordered.MinSession), "max_session_ms": ms(ordered.MaxSession), "members": roster.MaxMembers, "metadata_bytes": ordered.MaxMetadata,
		"request_partitions": store.MaxUnitEdits, "topic_partitions": catalog.MaxPartitions, "priorities": catalog.MaxPriorities, "group_topics": catalog.MaxGroupTopics,
		"max_attempts": catalog.MaxAttemptsLimit, "max_inflight": catalog.MaxInflightLimit, "key_concurrency": catalog.MaxKeyConcurrency,
		"backoff_steps": catalog.MaxBackoffSteps, "dedupe_window_ms": ms(catalog.MaxDedupeWindow),
		"http_header_bytes": int64(a.cfg.MaxHeader), "connections": int64(a.cfg.MaxConns), "large_bodies_bytes": a.cfg.MaxBodies,
	}})
}
