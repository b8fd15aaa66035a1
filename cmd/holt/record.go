package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// recordJSON is a record that was read, as the API writes it, with its topic.
type recordJSON struct {
	Topic string `json:"topic"`
	api.Record
}

// leasedJSON is a leased record as the API writes it.
func leasedJSON(r *client.Record) api.LeasedRecord {
	s := storedJSON(r)
	left := max(0, time.Until(r.ExpiresAt))
	return api.LeasedRecord{
		Receipt: r.Receipt, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Key: s.Key, KeyBase64: s.KeyBase64, Headers: s.Headers, HeadersBase64: s.HeadersBase64, Value: s.Value,
		Timestamp: s.Timestamp, Attempt: r.Attempt, Deliveries: r.Deliveries,
		ExpiresAt: api.Time(r.ExpiresAt), ExpiresInMS: left.Milliseconds(),
	}
}

func storedJSON(r *client.Record) recordJSON {
	out := recordJSON{r.Topic, api.Record{Partition: r.Partition, Offset: r.Offset, Timestamp: api.Time(r.Timestamp)}}
	switch {
	case r.Key == nil:
	case utf8.Valid(r.Key):
		out.Key = new(string(r.Key))
	default:
		out.KeyBase64 = new(base64.StdEncoding.EncodeToString(r.Key))
	}
	for name, value := range r.Headers {
		if utf8.ValidString(value) {
			set(&out.Headers, name, value)
		} else {
			set(&out.HeadersBase64, name, base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	out.Value = valueJSON(r.Value)
	return out
}

// valueJSON picks a value's form as the server does: JSON if it is, else text if it is, else base64.
func valueJSON(b []byte) api.Value {
	switch {
	case b == nil:
		return api.Value{Tombstone: true}
	case !utf8.Valid(b):
		return api.Value{ValueBase64: new(base64.StdEncoding.EncodeToString(b))}
	case json.Valid(b):
		return api.Value{Value: b}
	}
	return api.Value{Text: new(string(b))}
}

func set(m *map[string]string, name, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[name] = value
}

func showKey(r *client.Record) string {
	if r.Key == nil {
		return "-"
	}
	return string(r.Key)
}

func showValue(r *client.Record) string {
	if r.Value == nil {
		return "(tombstone)"
	}
	return string(r.Value)
}

func showHeaders(r *client.Record) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		parts = append(parts, name+":"+r.Headers[name])
	}
	return showList(parts)
}

func placeName(r *client.Record) string {
	return fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
}

// parseHeader reads name:value.
func parseHeader(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, ":")
	if !ok || name == "" {
		return "", "", usagef("header %q: a header is written as name:value", s)
	}
	return strings.TrimSpace(name), strings.TrimPrefix(value, " "), nil
}
