package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/holtmq/holt/client/api"
)

// planLetterRedrive redrives one letter; with "edit" in the form, with the value and headers that stand in it, if they differ.
func planLetterRedrive(v *visit, f url.Values) (*plan, error) {
	group, id := f.Get("group"), f.Get("id")
	l, err := read[api.Letter](v, get(nil, "groups", group, "dead-letters", id))
	if err != nil {
		return nil, err
	}
	var body struct {
		api.Value
		Headers map[string]string `json:"headers,omitempty"`
		Delay   string            `json:"delay,omitempty"`
		To      string            `json:"to,omitempty"`
	}
	words := []string{"dead-letters", "redrive", group, id}
	edited := false
	if f.Get("edit") != "" {
		if edited, err = edits(&l, f, &body.Value, &body.Headers); err != nil {
			return nil, err
		}
	}
	if d := strings.TrimSpace(f.Get("delay")); d != "" {
		if _, err := api.ParseDuration(d); err != nil {
			return nil, badf("delay: %v", err)
		}
		body.Delay = d
		words = append(words, "--delay", d)
	}
	if to := f.Get("to"); to == "topic" {
		body.To = to
		words = append(words, "--to", to)
	}
	p := &plan{
		Title: "Redrive the letter", Button: "Redrive",
		Calls: []call{{method: http.MethodPost, path: apiPath("groups", group, "dead-letters", id, "redrive"), body: jsonBody(body)}},
	}
	p.CLI = []string{command(words...)}
	if edited {
		p.Title, p.Button = "Redrive the edited letter", "Redrive edited"
		p.CLI = []string{"printf %s " + quote(string(jsonBody(body))) + " | " + command("dead-letters", "edit", group, id, "-f", "-")}
	}
	if body.To == "topic" {
		p.Ask = "It is published afresh: every group of " + l.Topic + " gets it."
	} else {
		p.Notes = []string{"Only " + group + " gets it, at attempt 1."}
	}
	for _, name := range []string{"value", "as", "headers", "delay", "to"} {
		p.Inputs = append(p.Inputs, input{Name: name})
	}
	if f.Get("edit") == "" {
		p.Inputs = []input{{Name: "delay", Label: "Delay", Value: f.Get("delay"), Hint: "as in 5m; empty: now"}, {Name: "to", Label: "To", Kind: "select", Value: f.Get("to"), Options: []string{"group", "topic"}}}
	}
	p.Done = func([]*answer) done {
		return done{"Redriven. See what becomes of it:", "groups/" + group + "/letters/" + url.PathEscape(id), "the letter"}
	}
	return p, nil
}

// edits puts into a body what a form has other than the letter.
func edits(l *api.Letter, f url.Values, value *api.Value, headers *map[string]string) (edited bool, err error) {
	was := url.Values{}
	fillIn(was, &api.Record{Headers: l.Headers, Value: l.Value})
	same := func(name string) bool {
		return strings.ReplaceAll(f.Get(name), "\r\n", "\n") == was.Get(name)
	}
	if !same("value") || !same("as") {
		if *value, err = formValue(f); err != nil {
			return false, err
		}
		edited = true
	}
	if !same("headers") {
		if *headers, err = formHeaders(f.Get("headers")); err != nil {
			return false, err
		}
		edited = true
	}
	return edited, nil
}

// planLetterPurge gives one letter up for good.
func planLetterPurge(_ *visit, f url.Values) (*plan, error) {
	group, id := f.Get("group"), f.Get("id")
	return &plan{
		Title: "Purge the letter", Button: "Purge", Danger: true, Ask: "This gives up 1 dead letter for good.",
		Calls: []call{{method: http.MethodDelete, path: apiPath("groups", group, "dead-letters", id)}}, CLI: []string{command("dead-letters", "purge", group, id)},
		Done: func([]*answer) done { return done{"Purged.", "groups/" + group + "/letters", "The others"} },
	}, nil
}

// which makes the body that chooses letters: those selected, those the filter chooses, or all, and the same as words.
func which(f url.Values) (body map[string]any, words []string, text string) {
	body = map[string]any{}
	if ids := f["id"]; len(ids) > 0 {
		body["ids"] = ids
		return body, append([]string{}, ids...), plural(len(ids), "selected letter", "selected letters")
	}
	filter := chosen(f)
	if filter.Get("state") == "open" {
		filter.Del("state")
	}
	if len(filter) == 0 {
		body["all"] = true
		return body, []string{"--all"}, "all open letters"
	}
	for _, name := range letterFilters {
		if value := filter.Get(name); value != "" {
			body[name] = value
			words = append(words, "--"+name, value)
		}
	}
	return body, words, "letters that match the filter"
}

// planRedrive makes a job that redrives many letters: the selected ones, the first n, or all that match; ramped and rate-limited if wanted.
func planRedrive(v *visit, f url.Values) (*plan, error) {
	group := f.Get("group")
	body, words, what := which(f)
	words = append([]string{"dead-letters", "redrive", group}, words...)
	p := &plan{Title: "Redrive " + what + " of " + group, Button: "Redrive", Inputs: []input{
		{Name: "limit", Label: "First", Value: f.Get("limit"), Hint: "letters; empty: all of them", Kind: "number"},
		{Name: "rate", Label: "Rate", Value: f.Get("rate"), Hint: "per second; empty: no limit"},
		{Name: "ramp", Label: "Ramp", Value: f.Get("ramp"), Hint: "1, 2, 5, … while what came back succeeds", Kind: "check"},
		{Name: "stop_on_redeath", Label: "Stop when", Value: f.Get("stop_on_redeath"), Hint: "this share dies again, as in 0.2"},
		{Name: "to", Label: "To", Value: f.Get("to"), Kind: "select", Options: []string{"group", "topic"}},
	}}
	for _, name := range []string{"limit", "rate", "stop_on_redeath"} {
		text := strings.TrimSpace(f.Get(name))
		if text == "" {
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 0 {
			return nil, badf("%s must be a number, not %q", name, clip(text, 20))
		}
		body[name] = json.Number(text)
		words = append(words, "--"+strings.ReplaceAll(name, "_", "-"), text)
	}
	if f.Get("ramp") != "" {
		body["ramp"] = true
		words = append(words, "--ramp")
	}
	if f.Get("to") == "topic" {
		body["to"] = "topic"
		words = append(words, "--to", "topic")
	}
	target := apiPath("groups", group, "dead-letters", "redrive")
	p.Calls, p.CLI = []call{{method: http.MethodPost, path: target, body: jsonBody(body)}}, []string{command(words...)}
	body["dry_run"] = true
	dry, err := read[api.RedrivePreview](v, call{method: http.MethodPost, path: target, body: jsonBody(body)})
	if isCode(err, api.InvalidRequest, api.NotFound) {
		p.Blocked = err.Error()
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.Ask = "This redrives " + plural(dry.Matched, "letter", "letters") + " to " + group + " alone, at attempt 1."
	if f.Get("to") == "topic" {
		p.Ask = "This publishes " + plural(dry.Matched, "letter", "letters") + " afresh: every group of the topic gets them."
	}
	if dry.Matched == 0 {
		p.Blocked, p.Ask = "No open letter matches.", ""
	}
	p.Notes = []string{"The job runs on the server: it outlives this page and a restart, and redrives no letter twice."}
	p.Done = func(answers []*answer) done {
		var j api.Redrive
		if json.Unmarshal(answers[0].body.Bytes(), &j) != nil || j.ID == "" {
			return done{"The job has begun.", "redrives", "All jobs"}
		}
		return done{"The job has begun.", "redrives/" + url.PathEscape(j.ID), "Watch it"}
	}
	return p, nil
}

// planPurge gives many letters up.
func planPurge(v *visit, f url.Values) (*plan, error) {
	group := f.Get("group")
	body, words, what := which(f)
	words = append([]string{"dead-letters", "purge", group}, words...)
	target := apiPath("groups", group, "dead-letters", "purge")
	p := &plan{Title: "Purge " + what + " of " + group, Button: "Purge", Danger: true}
	p.Calls, p.CLI = []call{{method: http.MethodPost, path: target, body: jsonBody(body)}}, []string{command(words...)}
	body["dry_run"] = true
	dry, err := read[api.PurgeResponse](v, call{method: http.MethodPost, path: target, body: jsonBody(body)})
	if err != nil {
		return nil, err
	}
	p.Ask = "This gives up " + plural(dry.Purged, "dead letter", "dead letters") + " for good."
	p.Done = func([]*answer) done { return done{"Purged.", "groups/" + group + "/letters", "What is left"} }
	return p, nil
}

// planCancelRedrive ends a job where it is.
func planCancelRedrive(_ *visit, f url.Values) (*plan, error) {
	id := f.Get("id")
	return &plan{
		Title: "Cancel redrive " + clip(id, 24), Button: "Cancel it", Danger: true, Notes: []string{"What was redriven stays redriven; the rest stays open."},
		Calls: []call{{method: http.MethodDelete, path: apiPath("redrives", id)}}, CLI: []string{command("redrive", "cancel", id)},
		Done: func([]*answer) done { return done{"Cancelled.", "redrives", "All jobs"} },
	}, nil
}

// job is a redrive with what is drawn of it.
type job struct{ api.Redrive }

// Progress is how far a job is, in hundredths; Waiting what was redriven and is not settled since.
func (j job) Progress() int {
	if j.Matched == 0 {
		return 100
	}
	return 100 * (j.Redriven + j.Skipped) / j.Matched
}

// Waiting is how many came back and are not settled yet.
func (j job) Waiting() int { return max(j.Redriven-j.Succeeded-j.DiedAgain, 0) }

// Part is a count of the job in thousandths of all, for a bar.
func (j job) Part(n int) int {
	if j.Matched == 0 {
		return 0
	}
	return 1000 * n / j.Matched
}

// FilterText is the filter as JSON.
func (j job) FilterText() string {
	var b bytes.Buffer
	if len(j.Filter) == 0 || json.Compact(&b, j.Filter) != nil {
		return ""
	}
	return printable(b.String())
}

// showRedrives lists the jobs: ?cursor=.
func showRedrives(v *visit) error {
	q := url.Values{"limit": {"100"}}
	if c := v.r.URL.Query().Get("cursor"); c != "" {
		q.Set("cursor", c)
	}
	list, err := read[struct {
		Items      []job  `json:"items"`
		NextCursor string `json:"next_cursor"`
	}](v, get(q, "redrives"))
	if err != nil && !isCode(err, api.NotFound) {
		return err
	}
	return v.render(v.page("redrives", "Redrives", list))
}

func showRedrive(v *visit) error {
	j, err := read[job](v, get(nil, "redrives", v.r.PathValue("id")))
	if err != nil {
		return err
	}
	p := v.page("redrive", "Redrive", j)
	p.Nav = "redrives"
	p.Crumbs = []crumb{{"Redrives", "redrives"}}
	return v.render(p)
}
