package commit

import (
	"fmt"

	"github.com/holtmq/holt/queue/record"
	"github.com/holtmq/holt/queue/store"
)

// Limits of a batch that the committer builds out of several producers' records. Records of one request stay together
// up to MaxBatchBytes.
const (
	MergeBytes    = 64 << 10
	MergeRecords  = 1024
	MaxBatchBytes = 1 << 20
	maxMergeParts = 1024    // parts put into one edit
	maxMergeUnit  = 4 << 20 // bytes over which an edit takes no further parts
)

// plan is a group in the store's terms.
type plan struct {
	units    []store.Unit
	appended []appended
	records  int
}

// appended are the batches one edit adds to a log, for its sink.
type appended struct {
	sink    Sink
	batches []store.Batch
}

// editor puts the parts of one log together into one edit.
type editor struct {
	edit  store.Edit
	sink  Sink
	build record.Builder
	base  record.Offset // of the batch under construction
	last  record.Record // the newest record of it
	parts int
	bytes int // of all parts
	count int // records
}

// assemble turns units, whose cost was asked for, into the store's, in order. Units of one log that follow each other become one unit (its parts stay in order and become
// durable together, which asks more of the store than was promised); a unit over several logs stays itself.
func assemble(units []Unit) (*plan, error) {
	p := &plan{}
	var done [][]*editor
	single := map[store.LogID]*editor{} // the editor that takes the next single-log unit
	for _, u := range units {
		var mine []*editor
		for i := range u {
			part := &u[i]
			e := find(mine, part.Log)
			if e == nil && len(u) == 1 {
				e = single[part.Log]
				if e != nil && !e.takes(part) {
					e = nil
				} else if e != nil {
					if err := e.add(part); err != nil {
						return nil, err
					}
					continue
				}
			}
			if e == nil {
				e = &editor{edit: store.Edit{Log: part.Log}}
				mine = append(mine, e)
			}
			if err := e.add(part); err != nil {
				return nil, err
			}
		}
		if len(mine) == 0 {
			continue
		}
		for _, e := range mine {
			delete(single, e.edit.Log)
		}
		if len(u) == 1 {
			single[mine[0].edit.Log] = mine[0]
		}
		done = append(done, mine)
	}
	for _, mine := range done {
		unit := make(store.Unit, 0, len(mine))
		for _, e := range mine {
			if err := e.seal(); err != nil {
				return nil, err
			}
			unit = append(unit, e.edit)
			p.records += e.count
			if e.sink != nil && len(e.edit.Append) > 0 {
				p.appended = append(p.appended, appended{e.sink, e.edit.Append})
			}
		}
		p.units = append(p.units, unit)
	}
	return p, nil
}

func find(mine []*editor, log store.LogID) *editor {
	for _, e := range mine {
		if e.edit.Log == log {
			return e
		}
	}
	return nil
}

// takes tells whether another unit's part may join those that are here. A rewrite stands alone: it names batches that were durable before.
func (e *editor) takes(p *Part) bool {
	return e.parts < maxMergeParts && e.bytes+p.inline+p.bytes <= maxMergeUnit && !e.edit.Drop && !p.Drop && e.edit.Rewrite == nil && p.Rewrite == nil
}

func (e *editor) add(p *Part) error {
	e.parts++
	e.bytes += p.inline + p.bytes
	e.edit.Start = max(e.edit.Start, p.Start)
	if p.Rewrite != nil {
		e.edit.Rewrite = p.Rewrite
	}
	e.edit.Entries = append(e.edit.Entries, p.Entries...)
	e.edit.Notes = append(e.edit.Notes, p.Notes...)
	e.edit.Drop = e.edit.Drop || p.Drop
	if len(p.Records) == 0 {
		return nil
	}
	if p.Sink != nil {
		e.sink = p.Sink
	}
	if e.build.Len() > 0 && (e.build.Size()+p.bytes > MergeBytes || e.build.Len()+len(p.Records) > MergeRecords) {
		if err := e.seal(); err != nil {
			return err
		}
	}
	for i := range p.Records {
		if e.build.Len() == 0 {
			e.base = p.Base + record.Offset(i)
			e.build.Reset(e.base)
		} else if e.build.Size()+record.EncodedSize(p.Records[i]) > MaxBatchBytes {
			if err := e.seal(); err != nil {
				return err
			}
			e.base = p.Base + record.Offset(i)
			e.build.Reset(e.base)
		}
		e.build.Append(p.Records[i])
		e.last = p.Records[i]
		e.count++
	}
	return nil
}

// seal ends the batch under construction, if there is one.
func (e *editor) seal() error {
	if e.build.Len() == 0 {
		return nil
	}
	b, err := e.build.Encode(nil, record.None)
	if err != nil {
		return fmt.Errorf("encode a batch of log %d at %d: %w", e.edit.Log, e.base, err)
	}
	e.edit.Append = append(e.edit.Append, store.Batch{
		Base: e.base, Last: e.base + record.Offset(e.build.Len()) - 1, MaxTime: e.last.Timestamp, Bytes: b,
	})
	e.build.Reset(0)
	return nil
}
