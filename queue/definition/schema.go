package definition

import (
	"context"
	"errors"
	"fmt"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/cron"
	"github.com/holtmq/holt/queue/schema"
	"github.com/holtmq/holt/queue/topic"
)

// checkSchema refuses a schema that may not follow the one there is, or that the topic's recurring schedules do not satisfy. The catalog's turn is held.
func (e *Editor) checkSchema(ctx context.Context, def, was *catalog.Topic) error {
	if was == nil || was.Config.Schema == def.Config.Schema {
		return nil
	}
	if err := e.catalog.CheckSchema(ctx, was, def.Config); err != nil || def.Config.Schema == "" {
		return err
	}
	s, err := schema.Compile([]byte(def.Config.Schema))
	if err != nil {
		return fmt.Errorf("%w: schema: %w", catalog.ErrInvalidConfig, err)
	}
	for _, sched := range e.catalog.Schedules("", catalog.Everything) {
		if sched.TopicID != def.ID || sched.Config.Record.Value == nil {
			continue
		}
		if err := s.Check(cron.MessageFor(sched.Config.Record).Value); err != nil {
			return fmt.Errorf("%w: schema: the record of schedule %s does not satisfy it: %w; change that schedule first", catalog.ErrInvalidConfig, sched.Name, err)
		}
	}
	return nil
}

// SchemaVersion returns a version of a topic's schema; 0 is the one that values are checked by. Errors: catalog.ErrTopicNotFound, catalog.ErrSchemaNotFound.
func (e *Editor) SchemaVersion(ctx context.Context, name string, version int) (catalog.SchemaVersion, error) {
	t, err := e.topics.Get(name)
	if err != nil {
		return catalog.SchemaVersion{}, err
	}
	if version == 0 {
		if version = t.Def.SchemaVersion; version == 0 {
			return catalog.SchemaVersion{}, fmt.Errorf("topic %s has no schema: %w", name, catalog.ErrSchemaNotFound)
		}
	}
	return e.catalog.SchemaVersion(ctx, t.Def, version)
}

// SchemaVersions returns up to limit versions of a topic's schema after a version. Errors: catalog.ErrTopicNotFound.
func (e *Editor) SchemaVersions(ctx context.Context, name string, after, limit int) ([]catalog.SchemaVersion, error) {
	t, err := e.topics.Get(name)
	if err != nil {
		return nil, err
	}
	var out []catalog.SchemaVersion
	for n := after + 1; n <= t.Def.SchemaVersions && len(out) < limit; n++ {
		v, err := e.catalog.SchemaVersion(ctx, t.Def, n)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// SchemaCheck asks what a topic would say to a schema and to values; it changes nothing.
type SchemaCheck struct {
	Schema        []byte               // nil = the one there is
	Compatibility schema.Compatibility // "" = the topic's
	Values        [][]byte
}

// SchemaVerdict answers a SchemaCheck.
type SchemaVerdict struct {
	Refused    error // why the schema is none, or may not follow the one there is; nil = it may
	Violations []topic.Violation
}

// CheckSchema answers what a topic would say. Errors: catalog.ErrTopicNotFound, catalog.ErrSchemaNotFound (no schema to check by), topic.ErrInvalidRequest.
func (e *Editor) CheckSchema(ctx context.Context, name string, req SchemaCheck) (SchemaVerdict, error) {
	t, err := e.topics.Get(name)
	if err != nil {
		return SchemaVerdict{}, err
	}
	if !req.Compatibility.Valid() {
		return SchemaVerdict{}, fmt.Errorf("%w: schema_compatibility is %q: it must be \"none\", \"backward\", \"forward\" or \"full\"", topic.ErrInvalidRequest, req.Compatibility)
	}
	by := t.Def.Compiled
	var out SchemaVerdict
	if req.Schema != nil {
		def := *t.Def
		def.Config.Schema = string(req.Schema)
		if req.Compatibility != "" {
			def.Config.SchemaCompatibility = req.Compatibility
		}
		if by, err = schema.Compile(req.Schema); err != nil {
			return SchemaVerdict{Refused: err}, nil
		}
		if out.Refused = e.checkSchema(ctx, &def, t.Def); out.Refused != nil && !errors.Is(out.Refused, catalog.ErrInvalidConfig) {
			return SchemaVerdict{}, out.Refused
		}
	}
	if by == nil && len(req.Values) > 0 {
		return SchemaVerdict{}, fmt.Errorf("topic %s has no schema: %w", name, catalog.ErrSchemaNotFound)
	}
	for i, value := range req.Values {
		var v *schema.Violation
		if err := by.Check(value); errors.As(err, &v) {
			out.Violations = append(out.Violations, topic.Violation{Topic: name, Version: t.Def.SchemaVersion, Record: i, Pointer: v.Pointer, Reason: v.Reason})
		}
	}
	return out, nil
}
