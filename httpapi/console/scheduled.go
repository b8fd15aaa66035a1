package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// scheduledPage lists the records of a topic that are not due yet.
type scheduledPage struct {
	Topic string
	Items []scheduledRow
	Next  string
	Query url.Values
	Bars  []dueBar // when the listed ones are due
	Seen  int
	More  bool // there are more than the histogram counts
	Span  string
}

type scheduledRow struct {
	api.ScheduledRecord
	KeyText string
	HasKey  bool
	Preview string
}

// dueBar is a bar of the due histogram, in a box of 600 × 60.
type dueBar struct {
	X, Y, W, H int
	Title      string
}

// Limits of the histogram of due times.
const (
	dueRecords = 2000 // records that it counts
	dueBars    = 48
)

// showScheduled lists a topic's delayed records: ?cursor=.
func showScheduled(v *visit) error {
	name, q := v.r.PathValue("topic"), v.r.URL.Query()
	d := scheduledPage{Topic: name, Query: q}
	var due []time.Time
	cursor := q.Get("cursor")
	for page := 0; ; page++ {
		ask := url.Values{"limit": {"1000"}}
		if page == 0 {
			ask.Set("limit", "100")
		}
		if cursor != "" {
			ask.Set("cursor", cursor)
		}
		list, err := read[api.ScheduledList](v, get(ask, "topics", name, "scheduled"))
		if err != nil {
			return err
		}
		for _, it := range list.Items {
			due = append(due, time.Time(it.DeliverAt))
			if page == 0 {
				row := scheduledRow{ScheduledRecord: it, Preview: preview(it.Value)}
				row.KeyText, row.HasKey = keyText(it.Key, it.KeyBase64)
				d.Items = append(d.Items, row)
			}
		}
		cursor = list.NextCursor
		if page == 0 {
			d.Next = cursor
		}
		if cursor == "" || len(due) >= dueRecords {
			break
		}
	}
	sort.SliceStable(d.Items, func(i, j int) bool { return time.Time(d.Items[i].DeliverAt).Before(time.Time(d.Items[j].DeliverAt)) })
	d.Seen, d.More = len(due), cursor != ""
	d.Bars, d.Span = dueHistogram(v.now, due)
	return v.render(v.topicPage(name, "Scheduled for "+name, "scheduled", d))
}

// dueHistogram counts due times in dueBars bars from now to the last of them.
func dueHistogram(now time.Time, due []time.Time) (bars []dueBar, span string) {
	last := now.Add(time.Minute)
	for _, t := range due {
		if t.After(last) {
			last = t
		}
	}
	if len(due) == 0 {
		return nil, ""
	}
	step := last.Sub(now)/dueBars + 1
	var n [dueBars]int
	most := 1
	for _, t := range due {
		i := min(max(int(t.Sub(now)/step), 0), dueBars-1)
		n[i]++
		most = max(most, n[i])
	}
	const width = 600 / dueBars
	for i, c := range n {
		if c > 0 {
			h := max(60*c/most, 2)
			bars = append(bars, dueBar{i * 600 / dueBars, 60 - h, width - 2, h, plural(c, "record", "records") + " due in " + age(time.Duration(i)*step) + " to " + age(time.Duration(i+1)*step)})
		}
	}
	return bars, age(last.Sub(now).Round(time.Second))
}

// planCancelScheduled takes a delayed record back.
func planCancelScheduled(_ *visit, f url.Values) (*plan, error) {
	topic, id := f.Get("topic"), f.Get("id")
	return &plan{
		Title: "Cancel scheduled record " + clip(id, 40), Button: "Cancel it", Danger: true, Ask: "This takes back 1 record: it is never delivered.",
		Calls: []call{{method: http.MethodDelete, path: apiPath("topics", topic, "scheduled", id)}}, CLI: []string{command("topic", "cancel", topic, id)},
		Done: func([]*answer) done { return done{Text: "Cancelled."} },
	}, nil
}

// planRunScheduled appends a delayed record now.
func planRunScheduled(_ *visit, f url.Values) (*plan, error) {
	topic, id := f.Get("topic"), f.Get("id")
	return &plan{
		Title: "Run scheduled record " + clip(id, 40) + " now", Button: "Run now", Notes: []string{"It is appended to " + topic + " now, once, and does not come again at its time."},
		Calls: []call{{method: http.MethodPost, path: apiPath("topics", topic, "scheduled", id, "run")}}, CLI: []string{command("topic", "run", topic, id)},
		Done: func(answers []*answer) done {
			var at api.Published
			if json.Unmarshal(answers[0].body.Bytes(), &at) != nil {
				return done{Text: "Appended."}
			}
			place := plainInt(at.Partition) + "/" + strconv.FormatInt(at.Offset, 10)
			return done{"Appended at " + topic + "/" + place + ".", "topics/" + topic + "/messages/" + place, "Open the record"}
		},
	}, nil
}

// schedulesPage lists recurring schedules.
type schedulesPage struct {
	Items []scheduleRow
	Next  string
}

type scheduleRow struct {
	api.Schedule
	Preview string
}

// showSchedules lists the recurring schedules: ?cursor=.
func showSchedules(v *visit) error {
	ask := url.Values{"limit": {"200"}}
	if c := v.r.URL.Query().Get("cursor"); c != "" {
		ask.Set("cursor", c)
	}
	list, err := read[api.ScheduleList](v, get(ask, "schedules"))
	if err != nil {
		return err
	}
	d := schedulesPage{Next: list.NextCursor}
	for _, s := range list.Items {
		d.Items = append(d.Items, scheduleRow{s, preview(s.Record.Value)})
	}
	return v.render(v.page("schedules", "Schedules", d))
}

// planSchedulePut makes a schedule or changes one.
func planSchedulePut(v *visit, f url.Values) (*plan, error) {
	name, config := strings.TrimSpace(f.Get("schedule")), f.Get("config")
	verb := "create"
	if f.Get("change") != "" {
		verb = "edit"
	}
	if config == "" && verb == "edit" {
		s, err := read[map[string]json.RawMessage](v, get(nil, "schedules", name))
		if err != nil {
			return nil, err
		}
		for _, readOnly := range []string{"name", "created_at", "last_at", "next_at"} {
			delete(s, readOnly)
		}
		b, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return nil, err
		}
		config = string(b)
	}
	if config == "" {
		config = "{\n  \"cron\": \"*/5 * * * *\",\n  \"zone\": \"UTC\",\n  \"topic\": \"\",\n  \"record\": {\"value\": {\"hello\": \"world\"}},\n  \"catch_up\": \"one\"\n}"
	}
	p := &plan{Title: "New schedule", Button: "Save", Inputs: []input{
		{Name: "schedule", Label: "Name", Value: name, Hint: "letters, digits, _ . -"},
		{Name: "config", Label: "Definition", Value: config, Kind: "area", Hint: "JSON: when (cron or @hourly and the like), where to, what"},
	}}
	if verb == "edit" {
		p.Title, p.Inputs = "Schedule "+name, p.Inputs[1:]
	}
	p, err := planDefinition(p, "schedules", "schedule", "put", name, config)
	if err != nil {
		return nil, err
	}
	p.Done = func([]*answer) done { return done{"Schedule " + name + " is saved.", "schedules", "All schedules"} }
	return p, nil
}

func planScheduleDelete(_ *visit, f url.Values) (*plan, error) {
	name := f.Get("schedule")
	return &plan{
		Title: "Delete schedule " + name, Button: "Delete", Danger: true, Ask: "This ends 1 schedule; what it published stays.",
		Calls: []call{{method: http.MethodDelete, path: apiPath("schedules", name)}}, CLI: []string{command("schedule", "rm", name)},
		Done: func([]*answer) done { return done{Text: "Schedule " + name + " is deleted."} },
	}, nil
}

// planScheduleRun publishes a schedule's record now; its times stay.
func planScheduleRun(v *visit, f url.Values) (*plan, error) {
	name := f.Get("schedule")
	s, err := read[struct {
		Topic  string          `json:"topic"`
		Record json.RawMessage `json:"record"`
	}](v, get(nil, "schedules", name))
	if err != nil {
		return nil, err
	}
	body := jsonBody(s.Record)
	return &plan{
		Title: "Run schedule " + name + " now", Button: "Run now", Notes: []string{"Its record is published to " + s.Topic + " once, now; its times stay as they are."},
		Calls: []call{{method: http.MethodPost, path: apiPath("topics", s.Topic, "records"), body: body}},
		CLI:   []string{"printf %s " + quote(string(body)) + " | " + command("publish", s.Topic, "--ndjson")},
		Done: func([]*answer) done {
			return done{"Published to " + s.Topic + ".", "topics/" + s.Topic + "/messages", "Its messages"}
		},
	}, nil
}
