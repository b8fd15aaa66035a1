package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/httpapi/console"
)

// desk is a server whose console is looked at, and a shell for the command lines that it shows.
type desk struct {
	*reading
	t *testing.T
}

// ask makes a request and returns what came.
func (d *desk) ask(method, path, contentType, body string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.address+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		d.t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
	}
	return string(b)
}

// api makes a call of the API and decodes its answer.
func apiCall[T any](d *desk, method, path, body string) (out T) {
	d.t.Helper()
	if answer := d.ask(method, path, "application/json", body); answer != "" {
		if err := json.Unmarshal([]byte(answer), &out); err != nil {
			d.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
		}
	}
	return out
}

// lines returns the command lines of a page: what stands in a pre labelled CLI.
func (d *desk) lines(page string) (out []string) {
	d.t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		d.t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "pre" || n.FirstChild == nil {
			continue
		}
		for _, a := range n.Attr {
			if a.Key == "id" && (strings.HasPrefix(a.Val, "cli-") || strings.HasSuffix(a.Val, "-cli")) {
				out = append(out, n.FirstChild.Data)
			}
		}
	}
	return out
}

// works runs the command lines of a page; each must succeed.
func (d *desk) works(what, page string) {
	d.t.Helper()
	lines := d.lines(page)
	if len(lines) == 0 {
		d.t.Errorf("%s shows no command line", what)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "holt tail ") {
			line += " --from earliest --max 1" // it would never end
		}
		if out, err := d.run(d.t, line); err != nil {
			d.t.Errorf("%s: %s\n%v: %s", what, line, err, out)
		}
	}
}

// The command lines that the console shows parse, and do what its buttons do.
func TestConsoleCommandLinesWork(t *testing.T) {
	needs(t, "sh")
	d := &desk{read(t, map[string]string{}), t}
	apiCall[any](d, "PUT", "/v1/topics/t", `{"partitions":2}`)
	for _, g := range []string{"g", "h"} {
		apiCall[any](d, "PUT", "/v1/groups/"+g, `{"topics":["t"],"lease":"1h","max_attempts":2,"backoff":{"steps":["1h"]}}`)
	}
	for i := range 8 { // letters of h
		apiCall[any](d, "POST", "/v1/topics/t/records", fmt.Sprintf(`{"partition":0,"key":"old","value":%d}`, i))
		got := apiCall[api.LeaseResponse](d, "POST", "/v1/groups/h/lease", `{}`).Records[0]
		apiCall[any](d, "POST", "/v1/groups/h/reject", `{"receipt":"`+got.Receipt+`","error":{"type":"E","message":"it's no good"}}`)
	}
	letters := apiCall[api.LetterList](d, "GET", "/v1/groups/h/dead-letters", "").Items
	apiCall[any](d, "POST", "/v1/groups/g/lease", `{"max":8}`)
	var later []string
	for range 2 {
		later = append(later, apiCall[api.PublishResponse](d, "POST", "/v1/topics/t/records", `{"partition":0,"value":1,"delay":"1h"}`).Records[0].Scheduled.ID)
	}
	job := apiCall[api.Redrive](d, "POST", "/v1/groups/h/dead-letters/redrive", `{"ids":["`+letters[6].ID+`","`+letters[7].ID+`"],"rate":0.001}`).ID
	apiCall[any](d, "PUT", "/v1/schedules/kept", `{"cron":"@yearly","topic":"t","record":{"value":1,"partition":0}}`)
	d.pages(letters[5].ID, job)
	tried := map[string]bool{}
	for _, step := range []struct{ action, form string }{
		{"topic.publish", `topic=t&value={"it's": [1, "$HOME", 12345678901234567890]}&as=json&key=a'b&headers=x: y&partition=1`},
		{"scheduled.run", "topic=t&id=" + later[0]}, {"scheduled.cancel", "topic=t&id=" + later[1]},
		{"group.pause", "group=g"}, {"group.resume", "group=g"},
		{"letter.redrive", "group=h&id=" + letters[0].ID}, {"letter.redrive", "group=h&id=" + letters[1].ID + `&edit=1&as=json&value={"it's":"fixed"}&headers=x: y&delay=1m`},
		{"letter.purge", "group=h&id=" + letters[2].ID},
		{"letters.redrive", "group=h&fingerprint=" + url.QueryEscape(letters[3].Fingerprint) + "&limit=1&rate=10&ramp=true&stop_on_redeath=0.5"}, {"letters.redrive", "group=h&to=topic&id=" + letters[4].ID},
		{"redrive.cancel", "id=" + job}, {"letters.purge", "group=h&error=it's"},
		{"schedule.put", `schedule=s&config={"cron":"@hourly","topic":"t","record":{"value":{"a":"it's"},"partition":0}}`}, {"schedule.put", "schedule=s&change=1"},
		{"schedule.run", "schedule=s"}, {"schedule.delete", "schedule=s"},
		{"record.extend", "group=g&at=t/0/0&for=5m"}, {"record.release", "group=g&at=t/0/0"}, {"record.ack", "group=g&at=t/0/0"}, {"record.reject", "group=g&at=t/0/1&at=t/0/2"},
		{"group.reset", "group=g&to=earliest"}, {"group.reset", "group=g&to=latest&topic=t"},
		{"group.config", `group=g&config={"lease":"1m"}`}, {"group.config", "group=g"}, {"topic.config", `topic=t&config={"retention":{"age":"24h"}}`}, {"topic.config", "topic=t"},
		{"topic.create", `topic=made&config={"partitions":1}`}, {"group.create", `group=made&config={"topics":["made"]}`},
		{"group.delete", "group=made"}, {"topic.delete", "topic=made"},
	} {
		form, err := url.ParseQuery(strings.ReplaceAll(strings.ReplaceAll(step.form, "+", "%2B"), ";", "%3B"))
		if err != nil {
			t.Fatal(err)
		}
		tried[step.action] = true
		form.Set("preview", "1")
		d.works(step.action, d.ask("POST", "/console/do/"+step.action, "application/x-www-form-urlencoded", form.Encode()))
	}
	for _, action := range console.Actions() {
		if !tried[action] {
			t.Errorf("the command line of %s was not tried", action)
		}
	}
	got := apiCall[api.ReadResponse](d, "GET", "/v1/topics/t/partitions/1/records", "").Records
	if len(got) != 1 || string(got[0].Value.Value) != `{"it's":[1,"$HOME",12345678901234567890]}` || got[0].Headers["x"] != "y" || *got[0].Key != "a'b" {
		t.Errorf("published: %+v", got)
	}
	if l := apiCall[api.LetterList](d, "GET", "/v1/groups/h/dead-letters", ""); l.Total != 0 {
		t.Errorf("%d dead letters are open: %+v", l.Total, l.Items)
	}
	if j := apiCall[api.Redrive](d, "GET", "/v1/redrives/"+job, ""); j.State != "cancelled" {
		t.Errorf("the job is %s", j.State)
	}
}

// pages tries the command lines of the pages themselves.
func (d *desk) pages(letter, job string) {
	d.t.Helper()
	for _, page := range []string{
		"topics/t/messages", "topics/t/messages?partition=0&from=3", "topics/t/messages?partition=0&from=newest", "topics/t/messages/0/1", "topics/t/tail", "topics/t/scheduled", "schedules", "groups/g/leases",
		"groups/g/records", "groups/g/records?state=deferred", "groups/h/letters/" + letter, "redrives", "redrives/" + job,
	} {
		d.works(page, d.ask("GET", "/console/"+page, "", ""))
	}
	joined := apiCall[api.JoinResponse](d, "POST", "/v1/groups/readers/join", `{"topics":["t"]}`)
	d.works("an ordered group", d.ask("GET", "/console/groups/readers", "", ""))
	apiCall[any](d, "POST", "/v1/groups/readers/leave", `{"member":"`+joined.Member+`"}`)
}
