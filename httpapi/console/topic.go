package console

import (
	"encoding/json"
	"html/template"
	"net/url"
	"strconv"

	"github.com/holtmq/holt/client/api"
)

// topicPage is a topic.
type topicPage struct {
	T      *topicView
	Groups []topicReader
	Parts  []partitionRow
	Config string
	Skew   string
	Heat   *heatMap
}

// topicReader is a group that reads the topic, and partitionRow one of its partitions, with its share of all records in hundredths.
type (
	topicReader struct {
		api.TopicGroup
		View *groupView
	}
	partitionRow struct {
		Partition, Lane   int
		Start, End, Bytes int64
		Pct               int
	}
)

func (v *visit) topicPage(name, title, on string, data any) *page {
	p := v.page(on, title, data)
	p.Nav = "topics"
	p.Crumbs = []crumb{{"Topics", "topics"}, {name, "topics/" + name}}
	base := "topics/" + name
	p.Tabs = []tab{
		{"Topic", base, -1, on == "topic"}, {"Messages", base + "/messages", -1, on == "messages"}, {"Live tail", base + "/tail", -1, on == "tail"},
		{"Publish", base + "/publish", -1, on == "publish"}, {"Scheduled", base + "/scheduled", -1, on == "scheduled"},
	}
	return p
}

func showTopic(v *visit) error {
	name := v.r.PathValue("topic")
	t, err := read[api.Topic](v, get(nil, "topics", name))
	if err != nil {
		return err
	}
	s, err := v.c.sampler.get(v.r.Context())
	if err != nil {
		return err
	}
	view := s.topic(name)
	if view == nil {
		v.c.sampler.changed()
		if s, err = v.c.sampler.get(v.r.Context()); err != nil {
			return err
		}
		if view = s.topic(name); view == nil {
			return badf("there are more topics than the console shows (%d), and %s is not among the first", maxShown, clip(name, 40))
		}
	}
	d := topicPage{T: view, Heat: v.c.sampler.heat.of(name)}
	for _, g := range t.Groups {
		d.Groups = append(d.Groups, topicReader{g, s.group(g.Group)})
	}
	most, least, sum := int64(0), int64(-1), int64(0)
	for _, p := range t.Partitions {
		n := p.EndOffset - p.StartOffset
		most, sum = max(most, n), sum+n
		if least < 0 || n < least {
			least = n
		}
	}
	for _, p := range t.Partitions {
		row := partitionRow{p.Partition, p.Lane, p.StartOffset, p.EndOffset, p.Bytes, 0}
		if most > 0 {
			row.Pct = int(100 * (p.EndOffset - p.StartOffset) / most)
		}
		d.Parts = append(d.Parts, row)
	}
	if n := int64(len(t.Partitions)); n > 1 && sum > 0 {
		d.Skew = trimFloat(float64(most)*float64(n)/float64(sum), 2) + " ×"
	}
	config, err := json.MarshalIndent(t.Config, "", "  ")
	if err != nil {
		return err
	}
	d.Config = string(config)
	p := v.topicPage(name, name, "topic", d)
	p.Crumbs = p.Crumbs[:1]
	return v.render(p)
}

// messagesPage is a browse.
type messagesPage struct {
	T       api.Topic
	F       filter
	Query   url.Values
	Rows    []messageRow
	Groups  []string
	Scanned int
	Found   int // so far, over all parts of a scan
	Total   int
	More    string
	Curl    string
	CLI     string
	Scan    bool // nothing was found yet, and there is more: the page goes on by itself
}

type messageRow struct {
	Partition int
	Offset    int64
	Time      api.Time
	Key       string
	HasKey    bool
	Value     string
	Size      int
	Headers   int
	States    []stateIn
}

// stateIn is a record's state in a group.
type stateIn struct{ Group, State, Detail string }

// maxStateGroups is in how many groups a list shows each record's state.
const maxStateGroups = 8

// showMessages browses a topic: ?partition=, ?from=, ?key=, ?text=, ?pointer= and ?equals=, ?at= where to go on. It leases nothing.
func showMessages(v *visit) error {
	name, q := v.r.PathValue("topic"), v.r.URL.Query()
	f, err := parseFilter(q)
	if err != nil {
		return err
	}
	t, err := read[api.Topic](v, get(nil, "topics", name))
	if err != nil {
		return err
	}
	d := messagesPage{T: t, F: f, Query: q}
	for _, g := range t.Groups {
		if g.Kind == "share" && len(d.Groups) < maxStateGroups {
			d.Groups = append(d.Groups, g.Group)
		}
	}
	got, err := v.scan(&t, f, q.Get("at"), pageRecords)
	if err != nil {
		return err
	}
	for i := range got.Records {
		d.Rows = append(d.Rows, v.messageRow(name, &got.Records[i], d.Groups))
	}
	before, err := queryInt(q, "scanned", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	found, err := queryInt(q, "found", 0, 0, 1<<62)
	if err != nil {
		return err
	}
	d.Scanned, d.Found, d.More = int(before)+got.Scanned, int(found)+len(d.Rows), got.More
	d.Scan = f.selective() && d.More != "" && len(d.Rows) < pageRecords
	partition := max(f.Partition, 0)
	offset := "earliest"
	if len(got.Records) > 0 {
		partition, offset = got.Records[0].Partition, strconv.FormatInt(got.Records[0].Offset, 10)
	}
	d.Curl = v.curl(get(url.Values{"offset": {offset}, "max": {"50"}}, "topics", name, "partitions", strconv.Itoa(partition), "records"))
	d.CLI = command("read", name, "--partition", strconv.Itoa(partition), "--from", offset, "--max", "50")
	p := v.topicPage(name, "Messages of "+name, "messages", d)
	if v.partial() && q.Get("at") != "" {
		return v.fragment("messages", "rows", p)
	}
	return v.render(p)
}

func (v *visit) messageRow(topic string, r *api.Record, groups []string) messageRow {
	b, _ := bytesOf(r.Value)
	row := messageRow{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Value: preview(r.Value), Size: len(b), Headers: len(r.Headers) + len(r.HeadersBase64)}
	row.Key, row.HasKey = keyText(r.Key, r.KeyBase64)
	for _, g := range groups {
		row.States = append(row.States, v.stateIn(topic, g, r.Partition, r.Offset))
	}
	return row
}

// stateIn asks how a record stands in a group. What cannot be told is "unknown": the record is there to be shown all the same.
func (v *visit) stateIn(topic, group string, partition int, offset int64) stateIn {
	r, err := read[api.GroupRecordDetail](v, get(nil, "groups", group, "records", topic, strconv.Itoa(partition), strconv.FormatInt(offset, 10)))
	if err != nil {
		return stateIn{group, "unknown", err.Error()}
	}
	s := stateIn{group, r.State, r.Why.Detail}
	if r.State == "settled" && r.Outcome != "" {
		s.State, s.Detail = r.Outcome, "settled: "+r.Outcome
	}
	return s
}

// messagePage is one message.
type messagePage struct {
	Topic      string
	R          api.Record
	Key        string
	HasKey     bool
	Headers    []headerView
	Value      valueView
	As         string
	Groups     []groupState
	Curl, CLI  string
	Prev, Next string
}

// groupState is how a record stands in a group, with its history.
type groupState struct {
	Group  string
	Kind   string
	Detail *api.GroupRecordDetail
	State  string
	Error  string
	At     string // topic/partition/offset
}

// showMessage shows one message: ?as=json, text, hex.
func showMessage(v *visit) error {
	topic, partition, offset := v.r.PathValue("topic"), v.r.PathValue("p"), v.r.PathValue("offset")
	c := get(url.Values{"encoding": {"base64"}}, "topics", topic, "partitions", partition, "records", offset)
	r, err := read[api.Record](v, c)
	if err != nil {
		return err
	}
	t, err := read[api.Topic](v, get(nil, "topics", topic))
	if err != nil {
		return err
	}
	as := v.r.URL.Query().Get("as")
	d := messagePage{Topic: topic, R: r, As: as, Headers: headersOf(r.Headers, r.HeadersBase64), Value: viewValue(r.Value, as)}
	d.Key, d.HasKey = keyText(r.Key, r.KeyBase64)
	c.query = nil
	d.Curl, d.CLI = v.curl(c), command("read", topic, "--partition", partition, "--from", offset, "--max", "1")
	for _, g := range t.Groups {
		one := groupState{Group: g.Group, Kind: g.Kind, At: topic + "/" + partition + "/" + offset}
		if g.Kind == "share" {
			detail, err := read[api.GroupRecordDetail](v, get(nil, "groups", g.Group, "records", topic, partition, offset))
			if err != nil {
				one.Error = err.Error()
			} else {
				one.Detail, one.State = &detail, detail.State
				if detail.State == "settled" && detail.Outcome != "" {
					one.State = detail.Outcome
				}
			}
		}
		d.Groups = append(d.Groups, one)
	}
	for _, p := range t.Partitions {
		if p.Partition == r.Partition {
			if r.Offset > p.StartOffset {
				d.Prev = strconv.FormatInt(r.Offset-1, 10)
			}
			if r.Offset+1 < p.EndOffset {
				d.Next = strconv.FormatInt(r.Offset+1, 10)
			}
		}
	}
	p := v.topicPage(topic, topic+"/"+partition+"/"+offset, "messages", d)
	p.Name = "message"
	p.Crumbs = append(p.Crumbs, crumb{"Messages", "topics/" + topic + "/messages"})
	return v.render(p)
}

// exportMessages sends what a browse matches as NDJSON in the form of a publish, 10,000 records at most.
func exportMessages(v *visit) error {
	name, q := v.r.PathValue("topic"), v.r.URL.Query()
	f, err := parseFilter(q)
	if err != nil {
		return err
	}
	t, err := read[api.Topic](v, get(nil, "topics", name))
	if err != nil {
		return err
	}
	const most = 10_000
	var out []byte
	n := 0
	for at := q.Get("at"); ; {
		if v.r.Context().Err() != nil { // the browser is gone, and a scan would get nowhere
			return nil
		}
		got, err := v.scan(&t, f, at, 500)
		if err != nil {
			return err
		}
		for i := range got.Records {
			out = append(append(out, jsonBody(exported(name, &got.Records[i]))...), '\n')
			n++
		}
		if at = got.More; at == "" || n >= most || len(out) > maxExport {
			break
		}
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.ndjson"`)
	h.Set("Cache-Control", "no-store")
	allowWrite(v.w, len(out))
	_, _ = v.w.Write(out) // the browser is gone: nothing to do
	return nil
}

// maxExport is about how many bytes an export holds in memory.
const maxExport = 64 << 20

// exportedRecord is a line of an export: what a read answers, with the topic.
type exportedRecord struct {
	Topic string `json:"topic"`
	api.Record
}

// exported writes values as JSON or text where the bytes allow it.
func exported(topic string, r *api.Record) exportedRecord {
	out := exportedRecord{topic, *r}
	b, tombstone := bytesOf(r.Value)
	view := viewValue(r.Value, "")
	switch {
	case tombstone:
	case view.CanJSON:
		out.Value = api.Value{Value: b}
	case view.CanText:
		text := string(b)
		out.Value = api.Value{Text: &text}
	}
	return out
}

// publishPage is the form for a new record.
type publishPage struct {
	Topic string
	P     asked
	Form  url.Values
}

// showPublish shows the form, filled in from the query or from a record that is there: ?partition=, ?offset=.
func showPublish(v *visit) error {
	name, q := v.r.PathValue("topic"), v.r.URL.Query()
	if _, err := v.do(get(nil, "topics", name)); err != nil {
		return err
	}
	f := url.Values{"topic": {name}, "value": {"{\n  \"hello\": \"world\"\n}"}}
	for k, vs := range q {
		f[k] = vs
	}
	if from := q.Get("copy"); from != "" {
		p, o, _ := cutPlace(from)
		r, err := read[api.Record](v, get(nil, "topics", name, "partitions", p, "records", o))
		if err != nil {
			return err
		}
		fillIn(f, &r)
	}
	p, err := planPublish(v, f)
	if err != nil {
		return err
	}
	d := publishPage{Topic: name, P: v.asked("topic.publish", f, p, nil), Form: f}
	return v.render(v.topicPage(name, "Publish to "+name, "publish", d))
}

// goOn is the query with which a browse goes on.
func goOn(q url.Values, at string, scanned, found int) template.URL {
	return template.URL(with(q, "at", at, "scanned", strconv.Itoa(scanned), "found", strconv.Itoa(found)))
}
