package trace

import (
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Operation is what a span is of. Names and attributes are those of the OpenTelemetry semantic conventions for messaging (1.39, in development):
// a span is called after the operation and its destination, "publish emails".
type Operation struct {
	name string // messaging.operation.name
	kind string // messaging.operation.type
	span otlp.Span_SpanKind
}

// The operations.
var (
	Publish = Operation{"publish", "send", otlp.Span_SPAN_KIND_PRODUCER}
	Lease   = Operation{"lease", "receive", otlp.Span_SPAN_KIND_CONSUMER}
	Settle  = Operation{"settle", "settle", otlp.Span_SPAN_KIND_CLIENT}
)

// Attributes of the conventions, and one of ours that they have no word for.
const (
	attrSystem      = "messaging.system"
	attrOperation   = "messaging.operation.name"
	attrType        = "messaging.operation.type"
	attrDestination = "messaging.destination.name"
	attrGroup       = "messaging.consumer.group.name"
	attrCount       = "messaging.batch.message_count"
	attrClient      = "messaging.client.id"
	attrError       = "error.type"
	attrRequest     = "holt.request_id"

	attrService = "service.name"
	attrVersion = "service.version"

	system = "holt"
)

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func number(key string, value int) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: int64(value)}}}
}

// span writes a finished span in the words of the conventions.
func (s *Span) span() *otlp.Span {
	out := &otlp.Span{
		TraceId: s.Context.Trace[:], SpanId: s.Context.Span[:], TraceState: s.Context.State, Flags: uint32(s.Context.Flags),
		Name: s.op.name + " " + s.Topic + s.Group, Kind: s.op.span,
		StartTimeUnixNano: uint64(s.start.UnixNano()), EndTimeUnixNano: uint64(s.end.UnixNano()),
		Attributes: []*common.KeyValue{text(attrSystem, system), text(attrOperation, s.op.name), text(attrType, s.op.kind), number(attrCount, s.Count)},
	}
	if s.parent.Valid() {
		out.ParentSpanId = s.parent.Span[:]
	}
	for _, a := range []struct{ key, value string }{{attrDestination, s.Topic}, {attrGroup, s.Group}, {attrClient, s.Client}, {attrRequest, s.Request}, {attrError, s.Error}} {
		if a.value != "" {
			out.Attributes = append(out.Attributes, text(a.key, a.value))
		}
	}
	if s.Error != "" {
		out.Status = &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR}
	}
	for _, l := range s.links {
		out.Links = append(out.Links, &otlp.Span_Link{TraceId: l.Trace[:], SpanId: l.Span[:], TraceState: l.State, Flags: uint32(l.Flags)})
	}
	return out
}
