package httpapi

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/dlq"
	"github.com/holtmq/holt/dlq/letter"
)

// choosing is what a body says of which dead letters it is about, and how they are redriven.
type choosing struct {
	choice dlq.Choice
	plan   dlq.Plan
	dryRun bool
	filter map[string]string // as given
}

// choiceFields are the fields that field knows.
var choiceFields = append([]string{"ids", "all", "limit", "dry_run"}, letterFilters...)

// planFields are the fields that planField knows.
var planFields = []string{"rate", "ramp", "stop_on_redeath", "to"}

// field reads one field of the choice; false if it is none.
func (c *choosing) field(s *scanner, name string) bool {
	switch name {
	case "ids":
		c.choice.IDs = []string{}
		s.array(func(i int) {
			if i == dlq.MaxIDs {
				s.fail(newFault(http.StatusRequestEntityTooLarge, api.RequestTooLarge, "more than %d ids: send them in several requests, or use a filter", dlq.MaxIDs))
			}
			c.choice.IDs = append(c.choice.IDs, s.string())
		})
	case "all":
		c.choice.All = s.bool()
	case "limit":
		c.choice.Limit = int(s.int(1, math.MaxInt32))
	case "dry_run":
		c.dryRun = s.bool()
	default:
		return c.filterField(s, name)
	}
	return true
}

func (c *choosing) filterField(s *scanner, name string) bool {
	for _, known := range letterFilters {
		if name != known {
			continue
		}
		text := s.string()
		if s.err == nil {
			if f := letterField(&c.choice.Filter, name, text); f != nil {
				s.fail(f)
			}
			c.filter[name] = text
		}
		return true
	}
	return false
}

// planField reads one field of how letters are redriven; false if it is none.
func (c *choosing) planField(s *scanner, name string) bool {
	switch name {
	case "rate":
		c.plan.Rate = s.float()
	case "ramp":
		c.plan.Ramp = s.bool()
	case "stop_on_redeath":
		c.plan.StopOnRedeath = s.float()
	case "to":
		c.plan.ToTopic = s.target()
	default:
		return false
	}
	return true
}

// target reads where letters go; true = to the topic.
func (s *scanner) target() bool {
	switch to := s.string(); {
	case s.err != nil, to == "group":
	case to == "topic":
		return true
	default:
		s.fail(invalid("must be group or topic, not %q", cut(to)))
	}
	return false
}

// choose reads a body that chooses letters, and with plan says how they are redriven.
func (x *exchange) choose(plan bool) (*choosing, error) {
	c := &choosing{filter: map[string]string{}}
	c.choice.Filter.State = letter.Open
	s := x.scanBody()
	s.object(func(name []byte) bool {
		if s.null() {
			return slices.Contains(choiceFields, string(name)) || plan && slices.Contains(planFields, string(name))
		}
		return c.field(s, string(name)) || plan && c.planField(s, string(name))
	})
	return c, s.done()
}

// maxNamed is how many ids a job's filter shows.
const maxNamed = 20

// words is what was asked for, as JSON: for a job to show.
func (c *choosing) words() string {
	said := map[string]any{}
	for name, text := range c.filter {
		said[name] = text
	}
	switch {
	case len(c.choice.IDs) > maxNamed:
		said["named"] = len(c.choice.IDs)
	case c.choice.IDs != nil:
		said["ids"] = c.choice.IDs
	}
	if c.choice.All {
		said["all"] = true
	}
	if c.choice.Limit > 0 {
		said["limit"] = c.choice.Limit
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(said) // strings and numbers
	return string(bytes.TrimSpace(b.Bytes()))
}

// redriveLetters makes a job, or tells what it would be about.
func (a *API) redriveLetters(x *exchange) error {
	c, err := x.choose(true)
	if err != nil {
		return err
	}
	if !c.dryRun {
		c.plan.Filter = c.words()
		j, err := a.cfg.DeadLetters.Start(x.ctx(), x.group, c.choice, c.plan)
		if err != nil {
			return err
		}
		x.header().Set("Location", "/v1/redrives/"+j.ID)
		return x.json(http.StatusAccepted, wireJob(&j))
	}
	if err := c.plan.Validate(); err != nil {
		return err
	}
	p, err := a.cfg.DeadLetters.Preview(x.ctx(), x.group, c.choice)
	if err != nil {
		return err
	}
	e := x.encode()
	e.raw(`{"matched":`)
	e.int(int64(p.Matched))
	e.raw(`,"samples":[`)
	for i := range p.Samples {
		e.comma(i)
		e.raw("{")
		e.letter(&p.Samples[i])
		e.raw("}")
	}
	e.raw("]}")
	return x.answer(http.StatusOK)
}

// purgeLetters gives letters up for good, or tells how many that would be.
func (a *API) purgeLetters(x *exchange) error {
	c, err := x.choose(false)
	if err != nil {
		return err
	}
	n := 0
	if c.dryRun {
		var p dlq.Preview
		p, err = a.cfg.DeadLetters.Preview(x.ctx(), x.group, c.choice)
		n = p.Matched
		if c.choice.Filter.State != letter.Open {
			n = 0 // only open ones are
		}
	} else {
		n, err = a.cfg.DeadLetters.Purge(x.ctx(), x.group, c.choice)
	}
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, api.PurgeResponse{Purged: n})
}

// purgeLetter gives one letter up for good.
func (a *API) purgeLetter(x *exchange) error {
	if err := a.cfg.DeadLetters.PurgeOne(x.ctx(), x.group, x.item); err != nil {
		return err
	}
	return x.noContent()
}

// redriveLetter delivers one letter again, edited if the body says so.
func (a *API) redriveLetter(x *exchange) error {
	b, s := a.batch(), x.scanBody()
	edit := b.edit(s)
	if err := s.done(); err != nil {
		a.done(b)
		return err
	}
	r, err := a.cfg.DeadLetters.Redrive(x.ctx(), x.group, x.item, edit)
	if err != nil {
		x.keepBody() // nor is the batch done: the edited value may be on its way still
		return err
	}
	a.done(b)
	out := api.Redriven{ID: r.ID, State: letter.Redriven.String(), Redrives: r.Redrives, To: target(edit.ToTopic), Topic: r.Topic, Partition: r.Partition, Offset: int64(r.Offset)}
	if r.Scheduled != "" {
		out.Scheduled = &api.Scheduled{ID: r.Scheduled, DeliverAt: api.Time(r.DeliverAt)}
	}
	return x.json(http.StatusOK, out)
}

func target(toTopic bool) string {
	if toTopic {
		return "topic"
	}
	return "group"
}

// edit reads how a letter is to be delivered again.
func (b *batch) edit(s *scanner) (e dlq.Edit) {
	m, given := b.add(s), fields{firstHeader: len(b.headers)}
	s.object(func(name []byte) bool {
		switch string(name) {
		case "to":
			if !s.null() {
				e.ToTopic = s.target()
			}
			return true
		case "headers", "headers_base64":
			if s.peek() != 'n' {
				e.SetHeaders = true
			}
		case "value", "text", "value_base64", "tombstone", "delay":
		default:
			return false
		}
		return b.field(s, m, &given, name)
	})
	e.SetValue = given.value > 0
	if given.value == 0 { // as it is
		given.value = 1
	}
	if s.err == nil {
		b.check(s, m, &given)
	}
	if e.SetValue {
		e.Value = m.Value
	}
	if e.SetHeaders {
		e.Headers = m.Headers
	}
	e.Delay = m.Delay
	return e
}

// wireJob is a job as the API shows it.
func wireJob(j *dlq.Job) api.Redrive {
	out := api.Redrive{
		ID: j.ID, Group: j.Group, State: string(j.State), Matched: j.Matched, Redriven: j.Redriven, Succeeded: j.Succeeded, DiedAgain: j.DiedAgain, Skipped: j.Skipped,
		To: target(j.ToTopic), Rate: j.Rate, Ramp: j.Ramp, StopOnRedeath: j.StopOnRedeath, Filter: json.RawMessage(j.Definition.Filter), Error: j.Detail,
		CreatedAt: api.Time(j.CreatedAt), FinishedAt: optionalTime(j.FinishedAt),
	}
	if !json.Valid(out.Filter) {
		out.Filter = json.RawMessage("{}")
	}
	return out
}

// listRedrives lists jobs, the newest first.
func (a *API) listRedrives(x *exchange) error {
	const list = "redrives"
	limit, before, err := x.page(list)
	if err != nil {
		return err
	}
	jobs, err := a.cfg.DeadLetters.Jobs(x.ctx(), before, limit+1)
	if err != nil {
		return err
	}
	out := api.RedriveList{}
	jobs, out.NextCursor = cutPage(list, jobs, limit, func(j dlq.Job) string { return j.ID })
	out.Items = make([]api.Redrive, len(jobs))
	for i := range jobs {
		out.Items[i] = wireJob(&jobs[i])
	}
	return x.json(http.StatusOK, out)
}

// getRedrive shows a job; with ?wait= once it has ended.
func (a *API) getRedrive(x *exchange) error {
	j, err := a.cfg.DeadLetters.Job(x.ctx(), x.item, x.wait)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, wireJob(&j))
}

// cancelRedrive ends a job.
func (a *API) cancelRedrive(x *exchange) error {
	if err := a.cfg.DeadLetters.Cancel(x.ctx(), x.item); err != nil {
		return err
	}
	return x.noContent()
}

// letterRoutes are served if there is a service of dead letters.
func (a *API) letterRoutes() []route {
	if a.cfg.DeadLetters == nil {
		return nil
	}
	filters := " " + strings.Join(letterFilters, " ")
	return []route{
		{name: "GET /v1/groups/{group}/dead-letters", query: "limit cursor encoding" + filters, handler: a.listLetters},
		{name: "GET /v1/groups/{group}/dead-letters/summary", query: "by limit" + filters, handler: a.summarizeLetters},
		{name: "GET /v1/groups/{group}/dead-letters/export", query: "encoding" + filters, handler: a.exportLetters},
		{name: "POST /v1/groups/{group}/dead-letters/redrive", handler: a.redriveLetters},
		{name: "POST /v1/groups/{group}/dead-letters/purge", handler: a.purgeLetters},
		{name: "GET /v1/groups/{group}/dead-letters/{id}", query: "encoding", handler: a.getLetter},
		{name: "DELETE /v1/groups/{group}/dead-letters/{id}", handler: a.purgeLetter},
		{name: "POST /v1/groups/{group}/dead-letters/{id}/redrive", handler: a.redriveLetter},
		{name: "GET /v1/redrives", query: "limit cursor", handler: a.listRedrives},
		{name: "GET /v1/redrives/{id}", query: "wait", handler: a.getRedrive},
		{name: "DELETE /v1/redrives/{id}", handler: a.cancelRedrive},
	}
}
