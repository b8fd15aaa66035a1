package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// actions are all that the console can do.
var actions = map[string]action{
	"record.extend":    planExtend,
	"schedule.run":     planScheduleRun,
	"schedule.delete":  planScheduleDelete,
	"schedule.put":     planSchedulePut,
	"scheduled.cancel": planCancelScheduled,
	"scheduled.run":    planRunScheduled,
	"topic.create":     planTopicCreate,
	"topic.config":     planTopicConfig,
	"topic.delete":     planTopicDelete,
	"topic.publish":    planPublish,
	"group.create":     planGroupCreate,
	"group.config":     planGroupConfig,
	"group.delete":     planGroupDelete,
	"group.pause":      planPause("pause", "Pause", "Leases wait; settles go on."),
	"group.resume":     planPause("resume", "Resume", "Leases that wait are served at once."),
	"group.reset":      planReset,
	"record.release":   planPlace("release", "Release", "A deferred record is available at once; a lease on it ends and its holder's settle is refused. No attempt is counted."),
	"record.ack":       planPlace("ack", "Ack", "The record is done for this group and never delivered to it again. A running lease is lost."),
	"letter.redrive":   planLetterRedrive,
	"letter.purge":     planLetterPurge,
	"letters.redrive":  planRedrive,
	"letters.purge":    planPurge,
	"redrive.cancel":   planCancelRedrive,
	"record.reject":    planPlace("reject", "Reject", "The record becomes a dead letter now. A running lease is lost."),
}

// planPause pauses or resumes a group.
func planPause(verb, label, note string) action {
	return func(_ *visit, f url.Values) (*plan, error) {
		g := f.Get("group")
		return &plan{
			Title: label + " " + g, Button: label, Notes: []string{note},
			Calls: []call{{method: http.MethodPost, path: apiPath("groups", g, verb)}}, CLI: []string{command("group", verb, g)},
			Done: func([]*answer) done { return done{Text: "Group " + g + ": " + verb + "d."} },
		}, nil
	}
}

// maxAtOnce is how many records one action settles by place.
const maxAtOnce = 200

// planPlace settles records by their places, which are in the fields "at" as topic/partition/offset.
func planPlace(verb, label, note string) action {
	return func(_ *visit, f url.Values) (*plan, error) {
		g, places := f.Get("group"), f["at"]
		if len(places) == 0 || len(places) > maxAtOnce {
			return nil, badf("select 1 to %d records", maxAtOnce)
		}
		p := &plan{Button: label, Notes: []string{note}, Danger: verb == "reject"}
		for _, at := range places {
			parts := strings.Split(at, "/")
			if len(parts) != 3 {
				return nil, badf("%q is no place of a record: topic/partition/offset", clip(at, 60))
			}
			p.Calls = append(p.Calls, call{method: http.MethodPost, path: apiPath("groups", g, "records", parts[0], parts[1], parts[2], verb)})
			p.CLI = append(p.CLI, command("group", verb, g, parts[0], parts[1], parts[2]))
		}
		what := places[0]
		if len(places) > 1 {
			what = plural(len(places), "record", "records")
		}
		p.Title = label + " " + what + " in " + g
		if verb != "release" {
			p.Ask = "This settles " + plural(len(places), "record", "records") + " of " + g + " for good."
		}
		p.Done = func([]*answer) done { return done{Text: label + ": " + plural(len(places), "record", "records") + "."} }
		return p, nil
	}
}

// planExtend moves the deadlines of leases by the places of their records.
func planExtend(_ *visit, f url.Values) (*plan, error) {
	g, places, length := f.Get("group"), f["at"], strings.TrimSpace(f.Get("for"))
	if length == "" {
		length = "1m"
	}
	if len(places) == 0 || len(places) > maxAtOnce {
		return nil, badf("select 1 to %d records", maxAtOnce)
	}
	p := &plan{
		Title: "Extend " + plural(len(places), "lease", "leases") + " of " + g, Button: "Extend", Notes: []string{"The workers go on with the receipts they have."},
		Inputs: []input{{Name: "for", Label: "For", Value: length, Hint: "from now, as in 5m"}},
	}
	if _, err := api.ParseDuration(length); err != nil {
		p.Blocked = err.Error()
	}
	for _, at := range places {
		parts := strings.Split(at, "/")
		if len(parts) != 3 {
			return nil, badf("%q is no place of a record: topic/partition/offset", clip(at, 60))
		}
		p.Calls = append(p.Calls, call{method: http.MethodPost, path: apiPath("groups", g, "records", parts[0], parts[1], parts[2], "extend"), body: jsonBody(map[string]string{"for": length})})
		p.CLI = append(p.CLI, command("group", "extend", g, parts[0], parts[1], parts[2], "--for", length))
	}
	p.Done = func([]*answer) done {
		return done{Text: "Extended " + plural(len(places), "lease", "leases") + " to " + length + " from now."}
	}
	return p, nil
}

// planReset moves a group's progress, after a dry run.
func planReset(v *visit, f url.Values) (*plan, error) {
	g := f.Get("group")
	p := &plan{Title: "Reset " + g, Button: "Reset", Danger: true, Inputs: []input{
		{Name: "to", Label: "To", Value: f.Get("to"), Hint: "earliest, latest, offset:N, a time, or a time ago as in -1h"},
		{Name: "topics", Label: "Topics", Value: f.Get("topics"), Hint: "separated by spaces; empty: all it reads"},
		{Name: "partition", Label: "Partition", Value: f.Get("partition"), Hint: "empty: all", Kind: "number"},
	}}
	to := strings.TrimSpace(f.Get("to"))
	if to == "" {
		to, p.Inputs[0].Value = "earliest", "earliest"
	}
	body, words := map[string]any{"to": to}, []string{"group", "reset", g, "--to=" + to}
	if topics := strings.Fields(f.Get("topics")); len(topics) > 0 {
		body["topics"] = topics
		for _, t := range topics {
			words = append(words, "-t", t)
		}
	}
	if text := strings.TrimSpace(f.Get("partition")); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, badf("partition must be a number, not %q", clip(text, 20))
		}
		body["partition"] = n
		words = append(words, "--partition", text)
	}
	if f.Get("force") != "" {
		body["force"] = true
		words = append(words, "--force")
	}
	target := apiPath("groups", g, "reset")
	p.Calls = []call{{method: http.MethodPost, path: target, body: jsonBody(body)}}
	p.CLI = []string{command(words...)}
	body["dry_run"] = true
	moves, err := read[api.ResetResponse](v, call{method: http.MethodPost, path: target, body: jsonBody(body)})
	switch {
	case isCode(err, api.InvalidRequest, api.OffsetOutOfRange, api.TopicNotFound, api.PartitionNotFound, api.Rebalancing):
		p.Blocked = err.Error()
		return p, nil
	case err != nil:
		return nil, err
	}
	var again, skipped int64
	p.Table = &planTable{Head: []string{"Topic", "Partition", "From", "To", "Moves"}}
	for _, m := range moves.Partitions {
		again += max(m.From-m.To, 0)
		skipped += max(m.To-m.From, 0)
		p.Table.Rows = append(p.Table.Rows, []string{m.Topic, num(m.Partition), num(m.From), num(m.To), signed(m.To - m.From)})
	}
	switch {
	case again == 0 && skipped == 0:
		p.Ask = "No start offset moves; running leases are lost all the same."
	case skipped == 0:
		p.Ask = "Up to " + plural(again, "record comes", "records come") + " again, at attempt 1; running leases are lost."
	default:
		p.Ask = "Up to " + plural(skipped, "record is", "records are") + " skipped and " + plural(again, "comes", "come") + " again; running leases are lost."
	}
	p.Done = func([]*answer) done { return done{Text: "Group " + g + " was reset to " + to + "."} }
	return p, nil
}

func signed(n int64) string {
	if n > 0 {
		return "+" + num(n)
	}
	return num(n)
}

// planTopicDelete deletes a topic; with readers it needs force, and says who they are.
func planTopicDelete(v *visit, f url.Values) (*plan, error) {
	name := f.Get("topic")
	t, err := read[api.Topic](v, get(nil, "topics", name))
	if err != nil {
		return nil, err
	}
	var records int64
	for _, p := range t.Partitions {
		records += p.EndOffset - p.StartOffset
	}
	p := &plan{Title: "Delete topic " + name, Button: "Delete", Danger: true, Ask: "This deletes " + plural(records, "record", "records") + " in " + plural(len(t.Partitions), "partition", "partitions") + "."}
	query, words := url.Values{}, []string{"topic", "rm", name}
	if len(t.Groups) > 0 {
		names := make([]string, len(t.Groups))
		for i, g := range t.Groups {
			names[i] = g.Group
		}
		p.Notes = []string{plural(len(names), "group reads", "groups read") + " it and will be detached: " + clip(strings.Join(names, ", "), 200) + "."}
	}
	if f.Get("force") != "" || len(t.Groups) > 0 {
		query.Set("force", "true")
		words = append(words, "--force")
	}
	p.Calls = []call{{method: http.MethodDelete, path: apiPath("topics", name), query: query}}
	p.CLI = []string{command(words...)}
	p.Done = func([]*answer) done { return done{"Topic " + name + " is deleted.", "topics", "All topics"} }
	return p, nil
}

// planGroupDelete deletes a group and its progress.
func planGroupDelete(v *visit, f url.Values) (*plan, error) {
	name := f.Get("group")
	g, err := read[api.Group](v, summary(name))
	if err != nil {
		return nil, err
	}
	p := &plan{Title: "Delete group " + name, Button: "Delete", Danger: true, Ask: "The group's progress is forgotten; " + plural(g.Totals.Lag, "record is", "records are") + " not settled."}
	query, words := url.Values{}, []string{"group", "rm", name}
	if n := g.Totals.Leased + g.Totals.DeadLetters + int64(len(g.Members)); n > 0 {
		p.Notes = []string{"It has " + plural(g.Totals.Leased, "running lease", "running leases") + ", which are lost, and " + plural(g.Totals.DeadLetters, "open dead letter", "open dead letters") + ", purged with it."}
		query.Set("force", "true")
		words = append(words, "--force")
	}
	p.Calls = []call{{method: http.MethodDelete, path: apiPath("groups", name), query: query}}
	p.CLI = []string{command(words...)}
	p.Done = func([]*answer) done { return done{"Group " + name + " is deleted.", "groups", "All groups"} }
	return p, nil
}

func planTopicCreate(_ *visit, f url.Values) (*plan, error) {
	name, config := strings.TrimSpace(f.Get("topic")), f.Get("config")
	if config == "" {
		config = "{\"partitions\": 4}"
	}
	p := &plan{Title: "Create a topic", Button: "Create", Inputs: []input{
		{Name: "topic", Label: "Name", Value: name, Hint: "letters, digits, _ . -"},
		{Name: "config", Label: "Configuration", Value: config, Kind: "area", Hint: "JSON; what is left out gets its default"},
	}}
	return planDefinition(p, "topics", "topic", "create", name, config)
}

func planGroupCreate(_ *visit, f url.Values) (*plan, error) {
	name, config := strings.TrimSpace(f.Get("group")), f.Get("config")
	if config == "" {
		topic := f.Get("topic")
		config = "{\n  \"topics\": [" + string(jsonBody(topic)) + "],\n  \"lease\": \"30s\",\n  \"max_attempts\": 5\n}"
	}
	p := &plan{Title: "Create a group", Button: "Create", Inputs: []input{
		{Name: "group", Label: "Name", Value: name, Hint: "letters, digits, _ . -"},
		{Name: "config", Label: "Configuration", Value: config, Kind: "area", Hint: "JSON; what is left out gets its default"},
	}}
	return planDefinition(p, "groups", "group", "create", name, config)
}

func planTopicConfig(v *visit, f url.Values) (*plan, error) {
	name := f.Get("topic")
	t, err := read[api.Topic](v, get(nil, "topics", name))
	if err != nil {
		return nil, err
	}
	return planConfig(f, "topics", "topic", name, t.Config)
}

func planGroupConfig(v *visit, f url.Values) (*plan, error) {
	name := f.Get("group")
	g, err := read[api.Group](v, summary(name))
	if err != nil {
		return nil, err
	}
	return planConfig(f, "groups", "group", name, struct {
		Topics []string `json:"topics"`
		api.GroupConfig
	}{g.Topics, g.Config})
}

// planConfig edits a configuration as JSON.
func planConfig(f url.Values, nouns, noun, name string, now any) (*plan, error) {
	config := f.Get("config")
	if config == "" {
		b, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			return nil, err
		}
		config = string(b)
	}
	p := &plan{Title: "Configure " + noun + " " + name, Button: "Save", Inputs: []input{
		{Name: "config", Label: "Configuration", Value: config, Kind: "area", Hint: "JSON; what is left out stays, null gives the default back"},
	}}
	return planDefinition(p, nouns, noun, "edit", name, config)
}

// planDefinition completes a plan that puts a definition.
func planDefinition(p *plan, nouns, noun, verb, name, config string) (*plan, error) {
	var compact json.RawMessage
	if err := json.Unmarshal([]byte(config), &compact); err != nil {
		return nil, badf("the configuration is not JSON: %v", err)
	}
	body := jsonBody(compact)
	shown := name
	if shown == "" {
		shown = "NAME"
	}
	c := call{method: http.MethodPut, path: apiPath(nouns, shown), body: body}
	p.Calls = []call{c}
	p.CLI = []string{"printf %s " + quote(string(body)) + " | " + command(noun, verb, shown, "-f", "-")}
	p.Done = func([]*answer) done {
		what := map[string]string{"create": " is there.", "edit": " is changed.", "put": " is saved."}[verb]
		return done{strings.ToUpper(noun[:1]) + noun[1:] + " " + name + what, nouns + "/" + url.PathEscape(name), "Open it"}
	}
	if name == "" {
		p.Blocked = "Give it a name."
	}
	return p, nil
}
