package queue_test

import (
	"errors"
	"testing"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/schema"
)

// The schema and its versions are there after a restart, and what is published goes on being checked.
func TestSchemaSurvivesRestart(t *testing.T) {
	inBubble(t, func(h *house) {
		put := func(text string, c schema.Compatibility) error {
			_, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(old queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
				old.Schema, old.SchemaCompatibility = text, c
				return old, nil
			})
			return err
		}
		for _, text := range []string{`{"type":"integer"}`, `{"type":"number"}`} {
			if err := put(text, schema.Backward); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h.st = h.st.Crash()
		h.open()
		var bad *queue.SchemaViolation
		if _, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{Value: []byte(`"x"`)}}, 0); !errors.As(err, &bad) || bad.Version != 2 {
			t.Errorf("published: %v", err)
		}
		if err := put(`{"type":"integer"}`, schema.Backward); !errors.Is(err, schema.ErrIncompatible) || !errors.Is(err, queue.ErrInvalidConfig) {
			t.Errorf("narrower: %v", err)
		}
		v, err := h.SchemaVersion(h.t.Context(), "t", 1)
		if err != nil || string(v.Schema) != `{"type":"integer"}` {
			t.Errorf("%s, %v", v.Schema, err)
		}
		if err := put("", schema.None); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Publish(h.t.Context(), "t", []queue.Message{{Value: []byte(`x`)}}, 0); err != nil {
			t.Error(err)
		}
	})
}

// Many records with short values stay within a unit with their versions, or are refused.
func TestSchemaVersionsFitIntoUnits(t *testing.T) {
	inBubble(t, func(h *house) {
		_, _, err := h.PutTopic(h.t.Context(), "t", queue.Condition{}, func(old queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
			old.Schema = `true`
			return old, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		msgs := func(size int) []queue.Message {
			out := make([]queue.Message, 10_000)
			for i := range out {
				v := make([]byte, size)
				for j := range v {
					v[j] = '1'
				}
				out[i].Value = v
			}
			return out
		}
		if _, _, err := h.Publish(h.t.Context(), "t", msgs(900), 0); err != nil {
			t.Error(err)
		}
		for size := 1540; size <= 1700; size += 10 {
			if _, _, err := h.Publish(h.t.Context(), "t", msgs(size)[:9990], 0); err != nil && !errors.Is(err, queue.ErrRequestTooLarge) && !errors.Is(err, queue.ErrSchemaViolation) {
				t.Fatalf("%d: %v", size, err)
			}
		}
	})
}
