package queue

import (
	"context"

	"github.com/holtmq/holt/queue/definition"
)

// Names of the definition package's types that questions about schemas need.
type (
	SchemaCheck   = definition.SchemaCheck
	SchemaVerdict = definition.SchemaVerdict
)

// SchemaVersion returns a version of a topic's schema; 0 is the one that values are checked by. Errors: ErrTopicNotFound, ErrSchemaNotFound.
func (b *Broker) SchemaVersion(ctx context.Context, name string, version int) (SchemaVersion, error) {
	return b.definitions.SchemaVersion(ctx, name, version)
}

// SchemaVersions returns up to limit versions of a topic's schema after a version. Errors: ErrTopicNotFound.
func (b *Broker) SchemaVersions(ctx context.Context, name string, after, limit int) ([]SchemaVersion, error) {
	return b.definitions.SchemaVersions(ctx, name, after, limit)
}

// CheckSchema answers what a topic would say. Errors: ErrTopicNotFound, ErrSchemaNotFound (no schema to check by), ErrInvalidRequest.
func (b *Broker) CheckSchema(ctx context.Context, name string, req SchemaCheck) (SchemaVerdict, error) {
	return b.definitions.CheckSchema(ctx, name, req)
}
