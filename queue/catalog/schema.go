package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holtmq/holt/queue/schema"
	"github.com/holtmq/holt/queue/store"
)

// schemaPrefix + topic id + "/" + version, in 6 digits, is a SchemaVersion in the store's Meta.
const schemaPrefix = "v/"

// MaxSchemaVersions is how many versions a topic's schema may have.
const MaxSchemaVersions = 1000

// SchemaVersion is one version of a topic's schema. It is never changed.
type SchemaVersion struct {
	Version       int                  `json:"-"`
	Schema        json.RawMessage      `json:"schema"`
	Compatibility schema.Compatibility `json:"compatibility,omitempty"` // what was asked for when it was made
	CreatedAt     time.Time            `json:"created_at"`
}

func schemaName(topicID uint64, version int) string {
	return fmt.Sprintf("%s%d/%06d", schemaPrefix, topicID, version)
}

// checkSchema reports what is wrong with a configuration's schema.
func (c TopicConfig) checkSchema(e *faults) {
	e.check(c.SchemaCompatibility.Valid(), "schema_compatibility is %q: it must be \"none\", \"backward\", \"forward\" or \"full\"", c.SchemaCompatibility)
	if c.Schema == "" {
		return
	}
	_, err := schema.Compile([]byte(c.Schema))
	e.check(err == nil, "schema: %v", err)
}

// CheckSchema refuses a configuration whose schema may not take the place of the topic's. Errors: ErrInvalidConfig.
func (c *Catalog) CheckSchema(ctx context.Context, t *Topic, config TopicConfig) error {
	if config.SchemaCompatibility == "" || config.SchemaCompatibility == schema.None || config.Schema == t.Config.Schema || t.SchemaVersions == 0 {
		return nil
	}
	was, err := c.SchemaVersion(ctx, t, t.SchemaVersions) // the newest there was, also after it was taken away
	if err != nil {
		return err
	}
	old, err := schema.Compile(was.Schema)
	if err != nil {
		return fmt.Errorf("schema %d of topic %s: %w: %w", t.SchemaVersions, t.Name, store.ErrCorrupt, err)
	}
	var now *schema.Schema
	if config.Schema != "" {
		if now, err = schema.Compile([]byte(config.Schema)); err != nil {
			return fmt.Errorf("%w: schema: %w", ErrInvalidConfig, err)
		}
	}
	if err := schema.Compatible(config.SchemaCompatibility, old, now); err != nil {
		return fmt.Errorf("%w: schema: %w", ErrInvalidConfig, err)
	}
	return nil
}

// putSchema stores a new version of a topic's schema if it has changed. The topic's definition, which names it, follows.
func (c *Catalog) putSchema(ctx context.Context, t *Topic, old *Topic) error {
	if old != nil && old.Config.Schema == t.Config.Schema {
		t.Compiled = old.Compiled
		return nil
	}
	if t.Config.Schema == "" {
		t.SchemaVersion, t.Compiled = 0, nil
		return nil
	}
	compiled, err := schema.Compile([]byte(t.Config.Schema))
	if err != nil {
		return fmt.Errorf("%w: schema: %w", ErrInvalidConfig, err)
	}
	t.Config.Schema, t.Compiled = string(compiled.Text()), compiled
	if old != nil && old.Config.Schema == t.Config.Schema { // but for white space
		return nil
	}
	if t.SchemaVersions >= MaxSchemaVersions {
		return fmt.Errorf("%w: the schema has %d versions, at most %d", ErrInvalidConfig, t.SchemaVersions, MaxSchemaVersions)
	}
	t.SchemaVersions++
	t.SchemaVersion = t.SchemaVersions
	name := schemaName(t.ID, t.SchemaVersion)
	_, rev, err := c.meta.Get(ctx, name) // of a change that stopped between its two writes
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("schema %d of topic %s: %w", t.SchemaVersion, t.Name, err)
	}
	v := SchemaVersion{Schema: compiled.Text(), Compatibility: t.Config.SchemaCompatibility, CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
	if _, err := c.put(ctx, name, v, rev); err != nil {
		return fmt.Errorf("schema %d of topic %s: %w", t.SchemaVersion, t.Name, err)
	}
	return nil
}

// openSchema reads the schema that a topic's definition names.
func (c *Catalog) openSchema(ctx context.Context, t *Topic) error {
	if t.SchemaVersion == 0 {
		return nil
	}
	v, err := c.SchemaVersion(ctx, t, t.SchemaVersion)
	if err != nil {
		return err
	}
	if t.Compiled, err = schema.Compile(v.Schema); err != nil {
		return fmt.Errorf("schema %d of topic %s: %w: %w", t.SchemaVersion, t.Name, store.ErrCorrupt, err)
	}
	t.Config.Schema = string(t.Compiled.Text())
	return nil
}

// SchemaVersion returns one version of a topic's schema. Errors: ErrSchemaNotFound, the store's.
func (c *Catalog) SchemaVersion(ctx context.Context, t *Topic, version int) (SchemaVersion, error) {
	v := SchemaVersion{Version: version}
	if version < 1 || version > t.SchemaVersions {
		return v, fmt.Errorf("schema %d of topic %s: %w", version, t.Name, ErrSchemaNotFound)
	}
	b, _, err := c.meta.Get(ctx, schemaName(t.ID, version))
	if err == nil {
		if err = json.Unmarshal(b, &v); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
	}
	if err != nil {
		return v, fmt.Errorf("schema %d of topic %s: %w", version, t.Name, err)
	}
	return v, nil
}

// forgetSchemas deletes the versions of a deleted topic's schema.
func (c *Catalog) forgetSchemas(ctx context.Context, topicID uint64) error {
	defs, err := c.meta.List(ctx, strings.TrimSuffix(schemaName(topicID, 0), "000000"))
	if err != nil {
		return err
	}
	for _, d := range defs {
		if err := c.meta.Delete(ctx, d.Name, d.Revision); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}
