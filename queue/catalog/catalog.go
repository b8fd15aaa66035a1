package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/schema"
	"github.com/holtmq/holt/queue/store"
)

// Names of definitions in the store's Meta.
const (
	topicPrefix   = "t/" // + name: a Topic, one of the server's own if the name is Reserved
	groupPrefix   = "g/" // + name: a Group
	deletedPrefix = "x/" // + topic id: a deleted Topic whose logs are being dropped
	idsName       = "ids"
)

// idBlock is how many identities are reserved at a time: a restart skips what is left of a block.
const idBlock = 4096

// Catalog holds all definitions. Reads never wait for a change under way.
type Catalog struct {
	meta store.Meta
	turn chan struct{} // held by the one change under way, across its I/O

	next, limit uint64 // identities left of the reserved block; guarded by turn
	idsRev      uint64

	mu        sync.RWMutex // guards the maps; never held across I/O
	topics    map[string]*Topic
	internal  map[string]*Topic // those with reserved names
	groups    map[string]*Group
	schedules map[string]*Schedule
}

// Open reads all definitions. Errors: the store's.
func Open(ctx context.Context, meta store.Meta) (*Catalog, error) {
	c := &Catalog{
		meta: meta, turn: make(chan struct{}, 1),
		topics: map[string]*Topic{}, internal: map[string]*Topic{}, groups: map[string]*Group{}, schedules: map[string]*Schedule{},
	}
	if err := c.openIDs(ctx); err != nil {
		return nil, err
	}
	deleted, err := c.DeletedTopics(ctx)
	if err != nil {
		return nil, err
	}
	gone := map[uint64]bool{}
	for _, t := range deleted {
		gone[t.ID] = true
	}
	defs, err := c.meta.List(ctx, topicPrefix)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for _, d := range defs {
		t := &Topic{Name: strings.TrimPrefix(d.Name, topicPrefix), Revision: d.Revision}
		if err := json.Unmarshal(d.Value, t); err != nil {
			return nil, fmt.Errorf("definition of topic %s: %w: %w", t.Name, store.ErrCorrupt, err)
		}
		if gone[t.ID] { // the deletion stopped between its two writes
			if err := c.meta.Delete(ctx, d.Name, d.Revision); err != nil {
				return nil, fmt.Errorf("finish the deletion of topic %s: %w", t.Name, err)
			}
			continue
		}
		if err := c.openSchema(ctx, t); err != nil {
			return nil, err
		}
		c.among(t.Name)[t.Name] = t
	}
	defs, err = c.meta.List(ctx, groupPrefix)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	for _, d := range defs {
		g := &Group{Name: strings.TrimPrefix(d.Name, groupPrefix), Revision: d.Revision}
		if err := json.Unmarshal(d.Value, g); err != nil {
			return nil, fmt.Errorf("definition of group %s: %w: %w", g.Name, store.ErrCorrupt, err)
		}
		c.groups[g.Name] = g
	}
	return c, c.openSchedules(ctx)
}

// among returns the map that a topic of that name is in: users and their lists see one, the server uses the other.
func (c *Catalog) among(name string) map[string]*Topic {
	if Reserved(name) {
		return c.internal
	}
	return c.topics
}

// Topic returns the definition of a users' topic, or ErrTopicNotFound.
func (c *Catalog) Topic(name string) (*Topic, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.topics[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("topic %s: %w", name, ErrTopicNotFound)
}

// Group returns a group's definition, or ErrGroupNotFound.
func (c *Catalog) Group(name string) (*Group, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if g := c.groups[name]; g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
}

// Everything is a page size without an end, of lists of definitions.
const Everything = 1 << 30

// Topics returns up to limit definitions of users' topics with names after the given one, by name.
func (c *Catalog) Topics(after string, limit int) []*Topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return page(c.topics, after, limit)
}

// Internal returns the definition of one of the server's own topics, whose name is Reserved, or ErrTopicNotFound.
func (c *Catalog) Internal(name string) (*Topic, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.internal[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("topic %s: %w", name, ErrTopicNotFound)
}

// Internals returns the definitions of the server's own topics, by name.
func (c *Catalog) Internals() []*Topic {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return page(c.internal, "", len(c.internal))
}

// Groups returns up to limit definitions with names after the given one, by name.
func (c *Catalog) Groups(after string, limit int) []*Group {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return page(c.groups, after, limit)
}

func page[T any](all map[string]*T, after string, limit int) []*T {
	var names []string
	for name := range all {
		if name > after {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make([]*T, 0, min(limit, len(names)))
	for _, name := range names[:min(limit, len(names))] {
		out = append(out, all[name])
	}
	return out
}

// Lock takes the turn to change definitions, waiting for the change under way; the returned function gives it back.
// All methods that change something are called between the two.
func (c *Catalog) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case c.turn <- struct{}{}:
		return func() { <-c.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// PutTopic stores a topic's definition: a new one (ID 0) gets its identity and partitions, an existing one grows by
// what its configuration asks for. Returns the stored definition. Errors: ErrCannotShrink, the store's.
func (c *Catalog) PutTopic(ctx context.Context, t Topic) (*Topic, error) {
	if old := c.among(t.Name)[t.Name]; old != nil && (t.Config.Partitions < old.Config.Partitions || t.Config.Priorities < old.Config.Priorities) {
		return nil, fmt.Errorf("topic %s has %d partitions and %d priorities: %w", t.Name, old.Config.Partitions, old.Config.Priorities, ErrCannotShrink)
	}
	need := uint64(2 + t.Config.Partitions*t.Config.Priorities)
	if err := c.reserve(ctx, need); err != nil {
		return nil, err
	}
	if t.ID == 0 {
		t.ID = c.id()
		t.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	if t.Delayed == 0 {
		t.Delayed = store.LogID(c.id())
	}
	if err := c.putSchema(ctx, &t, c.among(t.Name)[t.Name]); err != nil {
		return nil, err
	}
	t.Partitions = grown(t.Partitions, t.Config, func() store.LogID { return store.LogID(c.id()) })
	if old := c.among(t.Name)[t.Name]; old != nil && same(old.plain(), t.plain()) {
		return old, nil
	}
	rev, err := c.put(ctx, topicPrefix+t.Name, t, t.Revision)
	if err != nil {
		return nil, fmt.Errorf("put topic %s: %w", t.Name, err)
	}
	t.Revision = rev
	c.mu.Lock()
	c.among(t.Name)[t.Name] = &t
	c.mu.Unlock()
	return &t, nil
}

// DeleteTopic removes a topic's definition and remembers its logs until ForgetTopic.
func (c *Catalog) DeleteTopic(ctx context.Context, t *Topic) error {
	gone := *t
	gone.Deleted = true
	if _, err := c.put(ctx, fmt.Sprint(deletedPrefix, t.ID), gone, 0); err != nil {
		return fmt.Errorf("delete topic %s: %w", t.Name, err)
	}
	if err := c.meta.Delete(ctx, topicPrefix+t.Name, t.Revision); err != nil {
		return fmt.Errorf("delete topic %s: %w", t.Name, err)
	}
	c.mu.Lock()
	delete(c.among(t.Name), t.Name)
	c.mu.Unlock()
	return nil
}

// DeletedTopics returns the topics whose logs are still to be dropped.
func (c *Catalog) DeletedTopics(ctx context.Context) ([]*Topic, error) {
	defs, err := c.meta.List(ctx, deletedPrefix)
	if err != nil {
		return nil, fmt.Errorf("list deleted topics: %w", err)
	}
	out := make([]*Topic, 0, len(defs))
	for _, d := range defs {
		t := &Topic{Revision: d.Revision}
		if err := json.Unmarshal(d.Value, t); err != nil {
			return nil, fmt.Errorf("definition %s: %w: %w", d.Name, store.ErrCorrupt, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// ForgetTopic is called once the logs of a deleted topic are dropped.
func (c *Catalog) ForgetTopic(ctx context.Context, t *Topic) error {
	if err := c.forgetSchemas(ctx, t.ID); err != nil {
		return err
	}
	name := fmt.Sprint(deletedPrefix, t.ID)
	_, rev, err := c.meta.Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.meta.Delete(ctx, name, rev)
}

// PutGroup stores a group's definition; a new one (ID 0) gets its identity.
func (c *Catalog) PutGroup(ctx context.Context, g Group) (*Group, error) {
	if old := c.groups[g.Name]; old != nil && same(old, &g) {
		return old, nil
	}
	if err := c.reserve(ctx, 1); err != nil {
		return nil, err
	}
	if g.ID == 0 {
		g.ID = c.id()
		g.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	}
	rev, err := c.put(ctx, groupPrefix+g.Name, g, g.Revision)
	if err != nil {
		return nil, fmt.Errorf("put group %s: %w", g.Name, err)
	}
	g.Revision = rev
	c.mu.Lock()
	c.groups[g.Name] = &g
	c.mu.Unlock()
	return &g, nil
}

// DeleteGroup removes a group's definition.
func (c *Catalog) DeleteGroup(ctx context.Context, g *Group) error {
	if err := c.meta.Delete(ctx, groupPrefix+g.Name, g.Revision); err != nil {
		return fmt.Errorf("delete group %s: %w", g.Name, err)
	}
	c.mu.Lock()
	delete(c.groups, g.Name)
	c.mu.Unlock()
	return nil
}

// plain is the definition with what is asked for in one way only.
func (t Topic) plain() Topic {
	t.Config.SchemaCompatibility = cmp.Or(t.Config.SchemaCompatibility, schema.None)
	return t
}

// same tells whether two definitions are stored alike: what changes nothing makes no revision.
func same(a, b any) bool {
	was, err := json.Marshal(a)
	is, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(was, is)
}

func (c *Catalog) put(ctx context.Context, name string, def any, rev uint64) (uint64, error) {
	b, err := json.Marshal(def)
	if err != nil {
		return 0, err
	}
	if len(b) > store.MaxMetaBytes {
		return 0, fmt.Errorf("the definition takes %d bytes, at most %d: %w", len(b), store.MaxMetaBytes, ErrInvalidConfig)
	}
	return c.meta.Put(ctx, name, b, rev)
}

// ids is the stored form of the identities' counter: all below Next may be in use.
type ids struct {
	Next uint64 `json:"next"`
}

func (c *Catalog) openIDs(ctx context.Context) error {
	b, rev, err := c.meta.Get(ctx, idsName)
	if errors.Is(err, store.ErrNotFound) {
		c.next, c.limit = 1, 1
		return nil
	}
	if err != nil {
		return fmt.Errorf("read identities: %w", err)
	}
	var v ids
	if err := json.Unmarshal(b, &v); err != nil || v.Next == 0 {
		return fmt.Errorf("identities %q: %w", b, store.ErrCorrupt)
	}
	c.next, c.limit, c.idsRev = v.Next, v.Next, rev
	return nil
}

// reserve makes sure that n identities can be taken without a write in between.
func (c *Catalog) reserve(ctx context.Context, n uint64) error {
	if c.limit-c.next >= n {
		return nil
	}
	limit := c.limit + n + idBlock
	rev, err := c.put(ctx, idsName, ids{Next: limit}, c.idsRev)
	if err != nil {
		return fmt.Errorf("reserve identities: %w", err)
	}
	c.limit, c.idsRev = limit, rev
	return nil
}

func (c *Catalog) id() uint64 {
	c.next++
	return c.next - 1
}
