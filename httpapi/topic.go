package httpapi

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/schema"
)

func (a *API) putTopic(x *exchange) error {
	cond, body, err := x.change()
	if err != nil {
		return err
	}
	if err := mergeTopic(new(queue.TopicConfig), body); err != nil { // what is wrong with the body is so whatever is there
		return err
	}
	info, created, err := a.broker.PutTopic(x.ctx(), x.topic, cond, func(old queue.TopicConfig, _ bool) (queue.TopicConfig, error) {
		err := mergeTopic(&old, body)
		return old, err
	})
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	return x.json(x.made(created, "/v1/topics/"+x.topic), wireTopic(info))
}

// made is the status of a PUT, and says where what it created is.
func (x *exchange) made(created bool, at string) int {
	if !created {
		return http.StatusOK
	}
	x.header().Set("Location", at)
	return http.StatusCreated
}

func (a *API) getTopic(x *exchange) error {
	info, err := a.broker.Topic(x.ctx(), x.topic)
	if err != nil {
		return err
	}
	x.tag(info.Tag)
	return x.json(http.StatusOK, wireTopic(info))
}

func (a *API) listTopics(x *exchange) error {
	limit, after, err := x.pageByName("topics")
	if err != nil {
		return err
	}
	infos, err := a.broker.Topics(x.ctx(), after, limit+1)
	if err != nil {
		return err
	}
	infos, next := cutPage("topics", infos, limit, func(t queue.TopicInfo) string { return t.Name })
	list := api.TopicList{Items: make([]api.Topic, len(infos)), NextCursor: next}
	for i, info := range infos {
		list.Items[i] = wireTopic(info)
	}
	return x.json(http.StatusOK, list)
}

func (a *API) deleteTopic(x *exchange) error {
	cond, err := x.condition()
	if err != nil {
		return err
	}
	if err := a.broker.DeleteTopic(x.ctx(), x.topic, x.force, cond); err != nil {
		return err
	}
	return x.noContent()
}

// mergeTopic applies the body of a PUT. Fields that only a GET's answer has are ignored.
func mergeTopic(c *queue.TopicConfig, body []byte) error {
	def := catalog.DefaultTopic()
	return merged(body, func(m merger, name string) bool {
		switch name {
		case "name", "created_at", "groups", "schema_version":
			return m.ignored()
		case "partitions":
			if m.peek() == '[' { // those of the answer
				return m.ignored()
			}
			m.whole(&c.Partitions, def.Partitions)
		case "priorities":
			m.whole(&c.Priorities, def.Priorities)
		case "retention":
			within(m, &c.Retention, def.Retention, func(name string) bool { return mergeRetention(m, &c.Retention, name) })
		case "cleanup":
			text(m, &c.Cleanup, def.Cleanup)
		case "dedupe_window":
			m.dur(&c.DedupeWindow, def.DedupeWindow)
		case "max_record_bytes":
			m.long(&c.MaxRecordBytes, def.MaxRecordBytes)
		case "max_backlog":
			mergeBacklog(m, c)
		case "schema":
			mergeSchema(m, &c.Schema)
		case "schema_compatibility":
			text(m, &c.SchemaCompatibility, def.SchemaCompatibility)
		default:
			return false
		}
		return true
	})
}

func mergeRetention(m merger, r *catalog.Retention, name string) bool {
	def := catalog.DefaultTopic().Retention
	switch name {
	case "age":
		m.dur(&r.Age, def.Age)
	case "bytes":
		m.long(&r.Bytes, def.Bytes)
	case "keep_unsettled":
		m.flag(&r.KeepUnsettled, def.KeepUnsettled)
	default:
		return false
	}
	return true
}

func mergeBacklog(m merger, c *queue.TopicConfig) {
	if m.null() {
		c.MaxBacklogRecords, c.MaxBacklogBytes = 0, 0
		return
	}
	m.object(func(name []byte) bool {
		switch string(name) {
		case "records":
			m.long(&c.MaxBacklogRecords, 0)
		case "bytes":
			m.long(&c.MaxBacklogBytes, 0)
		default:
			return false
		}
		return true
	})
}

func wireTopic(t queue.TopicInfo) api.Topic {
	out := api.Topic{
		Name:      t.Name,
		Config:    wireTopicConfig(t.Config),
		CreatedAt: api.Time(t.CreatedAt), SchemaVersion: t.Schema,
		Groups: make([]api.TopicGroup, len(t.Groups)), Partitions: make([]api.TopicPartition, len(t.Partitions)),
	}
	for i, g := range t.Groups {
		out.Groups[i] = api.TopicGroup{Group: g.Group, Kind: string(g.Kind), Lag: g.Lag, HoldsBytes: g.HoldsBytes, OldestUnsettledAt: optionalTime(g.OldestUnsettled)}
	}
	for i, p := range t.Partitions {
		out.Partitions[i] = api.TopicPartition{Partition: p.Partition, Lane: p.Lane, StartOffset: int64(p.Start), EndOffset: int64(p.End), Bytes: p.Bytes}
	}
	return out
}

func wireTopicConfig(c queue.TopicConfig) api.TopicConfig {
	out := api.TopicConfig{
		Partitions: c.Partitions, Priorities: c.Priorities,
		Retention:      api.Retention{Age: api.Duration(c.Retention.Age), Bytes: c.Retention.Bytes, KeepUnsettled: c.Retention.KeepUnsettled},
		Cleanup:        string(c.Cleanup),
		DedupeWindow:   api.Duration(c.DedupeWindow),
		MaxRecordBytes: c.MaxRecordBytes,
		MaxBacklog:     api.MaxBacklog{Records: c.MaxBacklogRecords, Bytes: c.MaxBacklogBytes},

		SchemaCompatibility: string(cmp.Or(c.SchemaCompatibility, schema.None)),
	}
	if c.Schema != "" {
		out.Schema = json.RawMessage(c.Schema)
	}
	return out
}
