package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
)

func defaultTopic() TopicConfig { return catalog.DefaultTopic() }

// group returns a share group, or ErrGroupNotFound.
func (b *Broker) group(name string) (*share.Group, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if g := b.groups[name]; g != nil {
		return g, nil
	}
	return nil, fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
}

// PutGroup creates a group or changes it: edit gets what is, or the defaults, and returns what is to be. Errors:
// ErrInvalidName, ErrInvalidConfig, ErrKindMismatch, ErrTopicNotFound, ErrPrecondition, edit's.
func (b *Broker) PutGroup(ctx context.Context, name string, cond Condition, edit func(old GroupChange, exists bool) (GroupChange, error)) (info GroupInfo, created bool, err error) {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return info, false, err
	}
	defer unlock()
	g, created, err := b.putGroup(ctx, name, cond, edit)
	if err != nil {
		return info, false, err
	}
	info, err = b.groupInfo(ctx, g)
	return info, created, err
}

// putGroup is PutGroup with the catalog's turn held.
func (b *Broker) putGroup(ctx context.Context, name string, cond Condition, edit func(GroupChange, bool) (GroupChange, error)) (*share.Group, bool, error) {
	if err := groupName(name); err != nil {
		return nil, false, err
	}
	def := catalog.Group{Name: name, Kind: catalog.KindShare, Config: catalog.DefaultGroup(name)}
	g, err := b.group(name)
	if err == nil {
		def = *g.Definition()
	}
	exists := g != nil
	if err := cond.check(tagOf(def.ID, def.Revision), exists); err != nil {
		return nil, false, fmt.Errorf("group %s: %w", name, err)
	}
	change, err := edit(GroupChange{Kind: def.Kind, Topics: def.Names(), Config: def.Config}, exists)
	if err != nil {
		return nil, false, err
	}
	if err := b.admitGroup(&def, change, exists); err != nil {
		return nil, false, fmt.Errorf("group %s: %w", name, err)
	}
	def.Kind, def.Config = change.Kind, change.Config
	gone, added, err := b.attachments(&def, change.Topics)
	if err != nil {
		return nil, false, fmt.Errorf("group %s: %w", name, err)
	}
	var parts []share.Part
	for _, a := range added {
		more, err := b.newParts(ctx, a)
		if err != nil {
			return nil, false, err
		}
		parts = append(parts, more...)
	}
	stored, err := b.catalog.PutGroup(ctx, def)
	if err != nil {
		return nil, false, err
	}
	if !exists {
		g = share.NewGroup(b.env, stored, parts, nil, nil)
		b.mu.Lock()
		b.groups[name] = g
		b.mu.Unlock()
	} else {
		g.Detach(stored, b.logsOf(gone), false)
		g.Configure(stored)
		g.Attach(stored, parts)
	}
	return g, !exists, b.durable(ctx)
}

func groupName(name string) error {
	switch {
	case !catalog.ValidGroupName(name):
		return fmt.Errorf("%w %q: letters, digits, \"_\", \".\" and \"-\", at most %d, not beginning with \".\" or \"-\"", ErrInvalidName, name, catalog.MaxGroupName)
	case catalog.Reserved(name):
		return fmt.Errorf("%w %q: names that begin with \"__\" are the server's own", ErrInvalidName, name)
	}
	return nil
}

// admitGroup refuses changes that cannot be.
func (b *Broker) admitGroup(def *catalog.Group, c GroupChange, exists bool) error {
	switch {
	case c.Kind != catalog.KindShare && c.Kind != catalog.KindOrdered:
		return fmt.Errorf("%w: kind is %q: it must be \"share\" or \"ordered\"", ErrInvalidConfig, c.Kind)
	case exists && c.Kind != def.Kind:
		return fmt.Errorf("it is a group of kind %s: %w", def.Kind, ErrKindMismatch)
	case c.Kind == catalog.KindOrdered:
		return fmt.Errorf("%w: kind \"ordered\" is not supported by this version", ErrInvalidConfig)
	case len(c.Topics) > catalog.MaxGroupTopics:
		return fmt.Errorf("%w: %d topics, at most %d", ErrInvalidConfig, len(c.Topics), catalog.MaxGroupTopics)
	case c.Config.DeadLetters && slices.Contains(c.Topics, c.Config.DeadLetterTopic):
		return fmt.Errorf("%w: a group cannot read its own dead-letter topic %s", ErrInvalidConfig, c.Config.DeadLetterTopic)
	}
	for i, t := range c.Topics {
		if slices.Contains(c.Topics[:i], t) {
			return fmt.Errorf("%w: topic %s is named twice", ErrInvalidConfig, t)
		}
		if _, err := b.topic(t); err != nil {
			return err
		}
	}
	if c.Config.DeadLetters && catalog.Reserved(c.Config.DeadLetterTopic) {
		return fmt.Errorf("%w: dead_letter.topic begins with \"__\", which is the server's own", ErrInvalidConfig)
	}
	return c.Config.Validate()
}

// attachments changes a definition to a list of topics and returns which attachments go and which are new.
func (b *Broker) attachments(def *catalog.Group, topics []string) (gone, added []catalog.Attachment, err error) {
	old := def.Topics
	def.Topics = nil
	for _, name := range topics {
		t, err := b.topic(name)
		if err != nil {
			return nil, nil, err
		}
		i := slices.IndexFunc(old, func(a catalog.Attachment) bool { return a.ID == t.def.ID })
		if i >= 0 {
			def.Topics = append(def.Topics, old[i])
			continue
		}
		a := catalog.Attachment{Topic: name, ID: t.def.ID, Epoch: epoch(def.Attached), Start: def.Config.Start, Parts: len(t.partitions)}
		def.Attached++
		def.Topics = append(def.Topics, a)
		added = append(added, a)
	}
	for _, a := range old {
		if !slices.ContainsFunc(def.Topics, func(b catalog.Attachment) bool { return a.ID == b.ID }) {
			gone = append(gone, a)
		}
	}
	return gone, added, nil
}

// epoch returns the first epoch of the nth attachment's windows: resets raise it from there, and never reach the next one's.
func epoch(nth uint32) uint32 { return nth << 16 }

// newParts returns the windows-to-be of a new attachment.
func (b *Broker) newParts(ctx context.Context, a catalog.Attachment) ([]share.Part, error) {
	t, err := b.topic(a.Topic)
	if err != nil {
		return nil, err
	}
	out := make([]share.Part, 0, len(t.partitions))
	for _, p := range t.partitions {
		start, err := b.startOf(ctx, p, a)
		if err != nil {
			return nil, err
		}
		out = append(out, share.Part{Partition: p, Epoch: a.Epoch, Start: start})
	}
	return out, nil
}

// startOf returns where an attachment begins on a partition.
func (b *Broker) startOf(ctx context.Context, p *partition.Partition, a catalog.Attachment) (Offset, error) {
	start, end := p.Bounds()
	at, err := catalog.ParseStart(a.Start)
	switch {
	case err != nil:
		return 0, fmt.Errorf("start %q: %w", a.Start, store.ErrCorrupt)
	case p.Index >= a.Parts: // added later
		return start, nil
	case at.Latest:
		return end, nil
	case !at.At.IsZero():
		return p.OffsetForTime(ctx, at.At)
	default:
		return start, nil
	}
}

// logsOf returns the logs of attachments' topics.
func (b *Broker) logsOf(as []catalog.Attachment) []store.LogID {
	var out []store.LogID
	for _, a := range as {
		if t, err := b.topic(a.Topic); err == nil && t.def.ID == a.ID {
			out = append(out, logs(t)...)
		}
	}
	return out
}

// detach takes a topic that is being deleted off a group; the catalog's turn is held.
func (b *Broker) detach(ctx context.Context, g *share.Group, t *topic) error {
	def := *g.Definition()
	def.Topics = slices.DeleteFunc(slices.Clone(def.Topics), func(a catalog.Attachment) bool { return a.ID == t.def.ID })
	stored, err := b.catalog.PutGroup(ctx, def)
	if err != nil {
		return err
	}
	g.Detach(stored, logs(t), true)
	return nil
}

// Group describes a group. Errors: ErrGroupNotFound.
func (b *Broker) Group(ctx context.Context, name string) (GroupInfo, error) {
	g, err := b.group(name)
	if err != nil {
		return GroupInfo{}, err
	}
	info, err := b.groupInfo(ctx, g)
	if err != nil {
		return info, err
	}
	return info, b.durable(ctx) // memory may run ahead of the disk, answers never
}

// Groups describes up to limit groups with names after the given one, by name.
func (b *Broker) Groups(ctx context.Context, after string, limit int) ([]GroupInfo, error) {
	var out []GroupInfo
	for _, def := range b.catalog.Groups(after, limit) {
		g, err := b.group(def.Name)
		if err != nil {
			continue
		}
		info, err := b.groupInfo(ctx, g)
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, b.durable(ctx)
}

func (b *Broker) groupInfo(ctx context.Context, g *share.Group) (GroupInfo, error) {
	def := g.Definition()
	info := GroupInfo{
		Name: def.Name, Kind: def.Kind, Topics: def.Names(), Config: def.Config, CreatedAt: def.CreatedAt,
		Tag: tagOf(def.ID, def.Revision), Partitions: []GroupPartition{}, Members: []GroupMember{},
	}
	for _, p := range g.Progress() {
		oldest, err := p.OldestUnsettled(ctx)
		if err != nil && ctx.Err() != nil {
			return info, err
		} else if err != nil { // a damaged record hides nothing else
			b.log.Error("the oldest unsettled record cannot be read", "group", def.Name, "topic", p.Partition.Topic, "partition", p.Partition.Index, "error", err)
		}
		info.Partitions = append(info.Partitions, GroupPartition{
			Topic: p.Partition.Topic, Partition: p.Partition.Index, Start: p.Start, End: p.End, LogEnd: p.LogEnd,
			Lag: p.Lag, Available: p.Available, Leased: p.Leased, Deferred: p.Deferred, OldestUnsettled: oldest,
		})
		info.Totals.Lag += p.Lag
		info.Totals.Available += p.Available
		info.Totals.Leased += p.Leased
		info.Totals.Deferred += p.Deferred
	}
	info.Totals.DeadLetters = g.OpenLetters("")
	info.Counters, info.Waiters = g.Counters(), g.Waiters()
	for _, m := range g.Members() {
		info.Members = append(info.Members, GroupMember{Member: m.Name, Leases: m.Leases, LastSeen: m.LastSeen})
	}
	return info, nil
}

// DeleteGroup deletes a group with its progress. force does so with leases running or dead letters open. Errors: ErrGroupNotFound, ErrGroupInUse, ErrPrecondition.
func (b *Broker) DeleteGroup(ctx context.Context, name string, force bool, cond Condition) error {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	g, err := b.group(name)
	if err != nil {
		return err
	}
	def := g.Definition()
	if err := cond.check(tagOf(def.ID, def.Revision), true); err != nil {
		return fmt.Errorf("group %s: %w", name, err)
	}
	if n := g.Running(""); n > 0 && !force {
		return fmt.Errorf("group %s: %d leases run; wait for them or use force: %w", name, n, ErrGroupInUse)
	}
	if n := g.OpenLetters(""); n > 0 && !force {
		return fmt.Errorf("group %s: %d dead letters are open; purge them or use force: %w", name, n, ErrGroupInUse)
	}
	if err := b.catalog.DeleteGroup(ctx, def); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.groups, name)
	b.mu.Unlock()
	g.Detach(def, b.logsOf(def.Topics), false)
	g.Close()
	g.ForgetLetters()
	return b.durable(ctx)
}

// Lease hands out records of a group, waiting for the first one as long as the request says; no records without an error: nothing came in
// time, or the server is stopping. Topics of the request are attached if they exist and are not yet; without the group, it and they are made with defaults, and created names
// them. Errors: ErrGroupNotFound, ErrTopicNotFound, ErrInvalidName, ErrInvalidRequest, ErrShuttingDown, ErrUnavailable, ErrUnknown.
func (b *Broker) Lease(ctx context.Context, name string, req LeaseRequest) (ds []Delivery, created []string, err error) {
	g, created, err := b.leaseGroup(ctx, name, req)
	if err != nil {
		return nil, nil, err
	}
	ds, err = g.Lease(ctx, req)
	return ds, created, b.ofGroup(name, err)
}

// LeaseAndSettle settles first and then leases, in one call. What is refused is in settled.Failed and stops nothing; with refusals, or records to
// publish, the lease does not wait. Errors: those of both; then nothing was leased.
func (b *Broker) LeaseAndSettle(ctx context.Context, name string, settle SettleRequest, req LeaseRequest) (settled SettleResult, ds []Delivery, created []string, err error) {
	if err := b.admitSettle(settle); err != nil {
		return settled, nil, nil, err
	}
	for _, p := range settle.Publish { // a refused call makes nothing
		if err := b.checkPublish(p.Topic, p.Messages); err != nil {
			return settled, nil, nil, err
		}
	}
	g, created, err := b.leaseGroup(ctx, name, req)
	if err != nil {
		return settled, nil, nil, err
	}
	settled, err = b.SettleAndPublish(ctx, name, settle)
	if failed := (*SettleError)(nil); errors.As(err, &failed) {
		settled = SettleResult{Failed: failed.Failed}
	} else if err != nil {
		return settled, nil, nil, err
	}
	if len(settled.Failed) > 0 || len(settle.Publish) > 0 {
		req.Wait = 0
	}
	ds, err = g.Lease(ctx, req)
	return settled, ds, created, b.ofGroup(name, err)
}

// leaseGroup returns the group that a lease is for, refusing what cannot be.
func (b *Broker) leaseGroup(ctx context.Context, name string, req LeaseRequest) (g *share.Group, created []string, err error) {
	if err := b.Ready(); err != nil {
		return nil, nil, err
	}
	if err := b.admitLease(req); err != nil {
		return nil, nil, err
	}
	if g, err = b.group(name); err != nil || !attached(g, req.Topics) {
		return b.groupFor(ctx, name, req.Topics)
	}
	return g, nil, nil
}

func (b *Broker) admitLease(req LeaseRequest) error {
	l := &b.cfg.Limits
	switch {
	case req.Max < 1 || int64(req.Max) > l.MaxLease:
		return fmt.Errorf("%w: max is %d: it must be 1 to %d", ErrInvalidRequest, req.Max, l.MaxLease)
	case req.Wait < 0 || req.Wait > l.MaxWait:
		return fmt.Errorf("%w: wait is %s: it must be \"0s\" to %q", ErrInvalidRequest, req.Wait, l.MaxWait)
	case req.Length != 0 && (req.Length < catalog.MinLease || req.Length > catalog.MaxLease):
		return fmt.Errorf("%w: lease is %s: it must be \"1s\" to \"12h\"", ErrInvalidRequest, req.Length)
	case req.MaxBytes < 0 || req.MaxBytes > l.MaxBytes:
		return fmt.Errorf("%w: max_bytes is %d: it must be 0 to %d", ErrInvalidRequest, req.MaxBytes, l.MaxBytes)
	case int64(len(req.Request)) > l.MaxID:
		return fmt.Errorf("%w: request takes %d bytes, at most %d", ErrInvalidRequest, len(req.Request), l.MaxID)
	case len(req.Member) > lease.MaxMember:
		return fmt.Errorf("%w: member takes %d bytes, at most %d", ErrInvalidRequest, len(req.Member), lease.MaxMember)
	}
	return nil
}

func attached(g *share.Group, topics []string) bool {
	if len(topics) == 0 {
		return true
	}
	names := g.Definition().Names()
	for _, t := range topics {
		if !slices.Contains(names, t) {
			return false
		}
	}
	return true
}

// groupFor makes the group or attaches topics, as far as a lease may.
func (b *Broker) groupFor(ctx context.Context, name string, topics []string) (g *share.Group, created []string, err error) {
	unlock, err := b.catalog.Lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	g, err = b.group(name)
	exists := err == nil
	if !exists && (b.cfg.NoAutoCreate || len(topics) == 0) {
		return nil, nil, err
	}
	if err := groupName(name); err != nil {
		return nil, nil, err
	}
	for i, t := range topics {
		if slices.Contains(topics[:i], t) {
			return nil, nil, fmt.Errorf("%w: topic %s is named twice", ErrInvalidRequest, t)
		}
		if t == catalog.DefaultGroup(name).DeadLetterTopic && !exists {
			return nil, nil, fmt.Errorf("%w: a group cannot read its own dead-letter topic %s", ErrInvalidConfig, t)
		}
		if _, err := b.topic(t); err != nil {
			if exists {
				return nil, nil, err
			}
			if err := b.userName(t); err != nil {
				return nil, nil, err
			}
		}
	}
	if !exists {
		for _, t := range topics {
			_, made, err := b.putTopic(ctx, t, Condition{}, "", func(old TopicConfig, _ bool) (TopicConfig, error) { return old, nil })
			if err != nil {
				return nil, created, err
			}
			if made {
				created = append(created, "topics/"+t)
			}
		}
		created = append(created, "groups/"+name)
	}
	g, _, err = b.putGroup(ctx, name, Condition{}, func(old GroupChange, _ bool) (GroupChange, error) {
		for _, t := range topics {
			if !slices.Contains(old.Topics, t) {
				old.Topics = append(old.Topics, t)
			}
		}
		return old, nil
	})
	return g, created, err
}

// GiveBack releases records of an answer that its client never got, uncounted.
func (b *Broker) GiveBack(name string, ds []Delivery) {
	g, err := b.group(name)
	if err != nil {
		return
	}
	actions := make([]Action, len(ds))
	for i := range ds {
		actions[i] = Action{Receipt: ds[i].Receipt, Verb: Release}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := g.Settle(ctx, share.SettleRequest{Actions: actions}); err != nil {
		b.log.Debug("records of an answer that nobody got stay leased until they expire", "group", name, "error", err)
	}
}

// Settle ends or moves leases, each on its own. Errors: *SettleError when none was settled; ErrGroupNotFound,
// ErrInvalidRequest, ErrRequestTooLarge, ErrUnavailable, ErrUnknown.
func (b *Broker) Settle(ctx context.Context, name string, actions []Action) (SettleResult, error) {
	return b.SettleAndPublish(ctx, name, SettleRequest{Actions: actions})
}

// SettleAndPublish is Settle, and with records to publish all of it in one unit or nothing. Errors: also *SettleError when there are records and one
// receipt was refused, and those of Publish.
func (b *Broker) SettleAndPublish(ctx context.Context, name string, req SettleRequest) (SettleResult, error) {
	if err := b.Ready(); err != nil && !errors.Is(err, ErrShuttingDown) {
		return SettleResult{}, err
	}
	g, err := b.group(name)
	if err != nil {
		return SettleResult{}, err
	}
	if err := b.admitSettle(req); err != nil {
		return SettleResult{}, err
	}
	if len(req.Actions) == 0 && len(req.Publish) == 0 {
		return SettleResult{}, nil
	}
	inner := share.SettleRequest{Actions: req.Actions, Request: req.Request}
	if len(req.Publish) > 0 {
		if res, known, err := g.Check(ctx, inner); known || err != nil { // a refused call makes no topics, and a repeat needs none
			return res, b.ofGroup(name, err)
		}
		pub, created, err := b.publicationOf(ctx, req.Publish, len(req.Actions))
		if err != nil {
			return SettleResult{}, err
		}
		inner.Publish = pub
		res, err := g.Settle(ctx, inner)
		res.Created = created
		return res, b.ofGroup(name, err)
	}
	res, err := g.Settle(ctx, inner)
	return res, b.ofGroup(name, err)
}

// publicationOf makes a publication of the records of a settle with so many actions, and topics that are missing.
func (b *Broker) publicationOf(ctx context.Context, publish []TopicMessages, actions int) (pub *publication, created []string, err error) {
	if err := b.writable(); err != nil {
		return nil, nil, err
	}
	items := make([]*publishing, len(publish))
	size, count := besideRecord*actions, 0
	for i, p := range publish {
		t, made, err := b.topicFor(ctx, p.Topic, p.Messages)
		if err != nil {
			return nil, created, err
		}
		created = append(created, made...)
		for j := range p.Messages {
			size += p.Messages[j].size() + besideRecord
		}
		count += len(p.Messages)
		items[i] = &publishing{topic: t, msgs: p.Messages}
	}
	if size > store.MaxUnitBytes-unitOverhead || int64(count) > b.cfg.Limits.MaxPublish {
		return nil, created, fmt.Errorf("%d records of %d bytes, at most %d of %d in one request: %w", count, size, b.cfg.Limits.MaxPublish, store.MaxUnitBytes-unitOverhead, ErrRequestTooLarge)
	}
	pub, err = b.publication(items)
	return pub, created, err
}

func (b *Broker) admitSettle(req SettleRequest) error {
	if len(req.Actions) > share.MaxSettle {
		return fmt.Errorf("%d receipts, at most %d in one request: %w", len(req.Actions), share.MaxSettle, ErrRequestTooLarge)
	}
	if int64(len(req.Request)) > b.cfg.Limits.MaxID {
		return fmt.Errorf("%w: request takes %d bytes, at most %d", ErrInvalidRequest, len(req.Request), b.cfg.Limits.MaxID)
	}
	seen := make(map[string]struct{}, len(req.Actions))
	for i := range req.Actions {
		a := &req.Actions[i]
		if _, twice := seen[a.Receipt]; twice {
			return fmt.Errorf("%w: a receipt is named twice", ErrInvalidRequest)
		}
		seen[a.Receipt] = struct{}{}
		switch {
		case a.Delay != nil && (*a.Delay < 0 || *a.Delay > b.cfg.Limits.MaxDelay):
			return fmt.Errorf("%w: delay is %s: it must be \"0s\" to \"365d\"", ErrInvalidRequest, *a.Delay)
		case a.For != 0 && (a.For < catalog.MinLease || a.For > catalog.MaxLease):
			return fmt.Errorf("%w: for is %s: it must be \"1s\" to \"12h\"", ErrInvalidRequest, a.For)
		}
	}
	return nil
}

// ofGroup turns errors of a share group into the broker's.
func (b *Broker) ofGroup(name string, err error) error {
	switch {
	case errors.Is(err, share.ErrTooManyLogs):
		return fmt.Errorf("%w: %w", ErrRequestTooLarge, err)
	case errors.Is(err, share.ErrTooManyWaiting), errors.Is(err, share.ErrDying):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, share.ErrClosed):
		if b.Ready() != nil {
			return fmt.Errorf("%w: %w", ErrShuttingDown, err)
		}
		return fmt.Errorf("group %s: %w", name, ErrGroupNotFound)
	case errors.Is(err, share.ErrNotAttached):
		return fmt.Errorf("%w: %w", ErrTopicNotFound, err)
	}
	return err
}

// letters returns the partition that takes a group's dead letters, making the topic at the first death.
func (b *Broker) letters(ctx context.Context, def *catalog.Group) (*partition.Partition, error) {
	name := def.Config.DeadLetterTopic
	t, err := b.topic(name)
	if err != nil {
		unlock, err := b.catalog.Lock(ctx)
		if err != nil {
			return nil, err
		}
		defer unlock()
		t, _, err = b.putTopic(ctx, name, Condition{}, def.Name, func(c TopicConfig, exists bool) (TopicConfig, error) {
			if !exists {
				c.Partitions = 1 // letters stand in the order of the deaths
			}
			return c, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return t.partitions[0], nil
}
