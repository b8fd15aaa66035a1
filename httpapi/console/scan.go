package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Limits of looking through messages.
const (
	scanRecords = 20_000 // records that one request looks at
	scanTime    = 1500 * time.Millisecond
	scanBatch   = 500      // records of a partition that one step looks at
	readBytes   = 1 << 20  // of one read; a larger record still comes
	scanBytes   = 16 << 20 // of what one request finds; a larger record still comes, alone
	pageRecords = 50
	maxPointer  = 64 // steps of a JSON pointer: each parses what is left of a value
)

// filter says which records a browse shows; all of it is in the URL.
type filter struct {
	Partition int    // −1 = all
	From      string // "newest" (default), "oldest", an offset, or a time
	Key       string // exactly; HasKey says that it counts
	HasKey    bool
	Text      string // part of the value, or of a header
	Pointer   string // JSON pointer (RFC 6901) …
	Equals    string // … whose value is this: JSON, or else a string
}

func parseFilter(q url.Values) (f filter, err error) {
	f = filter{Partition: -1, From: strings.TrimSpace(q.Get("from")), Key: q.Get("key"), Text: q.Get("text"), Pointer: q.Get("pointer"), Equals: q.Get("equals")}
	f.HasKey = f.Key != "" || q.Get("emptykey") != ""
	if f.From == "" {
		f.From = "newest"
	}
	if f.Pointer != "" && !strings.HasPrefix(f.Pointer, "/") {
		return f, badf("a JSON pointer begins with a slash, as in /customer/id, not %q", clip(f.Pointer, 40))
	}
	if strings.Count(f.Pointer, "/") > maxPointer {
		return f, badf("a JSON pointer may have %d steps here", maxPointer)
	}
	n, err := queryInt(q, "partition", -1, -1, 1<<31-1)
	f.Partition = int(n)
	return f, err
}

// selective tells whether not every record is shown.
func (f filter) selective() bool { return f.HasKey || f.Text != "" || f.Pointer != "" }

// matches tells whether a record is shown.
func (f filter) matches(r *api.Record) bool {
	if f.HasKey {
		key, has := keyText(r.Key, r.KeyBase64)
		if !has || key != f.Key {
			return false
		}
	}
	b, _ := bytesOf(r.Value)
	if f.Text != "" && !bytes.Contains(b, []byte(f.Text)) && !inHeaders(r, f.Text) {
		return false
	}
	return f.Pointer == "" || pointerEquals(b, f.Pointer, f.Equals)
}

func inHeaders(r *api.Record, text string) bool {
	for _, v := range r.Headers {
		if strings.Contains(v, text) {
			return true
		}
	}
	return false
}

// pointerEquals tells whether the value at a JSON pointer is what want says: as JSON with the same text, or as a string. Numbers are compared as they are written.
func pointerEquals(doc []byte, pointer, want string) bool {
	at, ok := resolve(doc, pointer)
	if !ok {
		return false
	}
	var text string
	if json.Unmarshal(at, &text) == nil {
		return text == want || string(at) == want
	}
	var a, b bytes.Buffer
	if json.Compact(&a, at) != nil || json.Compact(&b, []byte(want)) != nil {
		return false
	}
	return bytes.Equal(a.Bytes(), b.Bytes())
}

// resolve finds what a JSON pointer points to.
func resolve(doc []byte, pointer string) (json.RawMessage, bool) {
	at := json.RawMessage(doc)
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		var object map[string]json.RawMessage
		var array []json.RawMessage
		switch {
		case json.Unmarshal(at, &object) == nil && object != nil:
			next, ok := object[step]
			if !ok {
				return nil, false
			}
			at = next
		case json.Unmarshal(at, &array) == nil:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(array) {
				return nil, false
			}
			at = array[i]
		default:
			return nil, false
		}
	}
	return at, len(at) > 0
}

// scanned is what a browse found.
type scanned struct {
	Records []api.Record
	Scanned int
	More    string // where to go on: the places of all partitions; "" = there is no more
}

// place is where a browse stands in a partition: the next record, or going back, the one behind it.
type place struct {
	partition int
	at        int64
	done      bool
}

// scan looks through the partitions of a topic from where the filter or a place of an earlier scan says: newest first, or forwards.
func (v *visit) scan(t *api.Topic, f filter, at string, limit int) (scanned, error) {
	ctx, cancel := context.WithTimeout(v.r.Context(), scanTime)
	defer cancel()
	places, err := v.begin(t, f, at)
	if err != nil {
		return scanned{}, err
	}
	s := scanner{v: v, topic: t, filter: f, back: f.From == "newest", limit: limit, places: places, batchSize: scanBatch}
	if !f.selective() {
		s.batchSize = int64(limit)
	}
	s.stretch = s.batchSize
	for more := true; more && !s.full && len(s.out.Records) < limit && ctx.Err() == nil && s.out.Scanned < scanRecords; {
		if more, err = s.step(); err != nil {
			return s.out, err
		}
	}
	s.out.More = formatPlaces(places)
	return s.out, nil
}

// scanner is one scan under way.
type scanner struct {
	v         *visit
	topic     *api.Topic
	filter    filter
	back      bool
	limit     int
	places    []place
	batchSize int64 // offsets of a partition that one step looks at
	stretch   int64 // offsets of one read: fewer once records turn out to be large

	out   scanned
	batch []api.Record // what the step found, from all partitions
	held  int          // bytes of both
	full  bool         // something was given back for lack of room
}

// step looks at a batch of every partition that has more, and keeps what matches in order of time. more is false at the end.
func (s *scanner) step() (more bool, err error) {
	for i := range s.places {
		if err := s.look(&s.places[i], s.batchSize); err != nil {
			return false, err
		}
	}
	s.out.Records, s.batch = append(s.out.Records, s.batch...), nil
	return slices.ContainsFunc(s.places, func(p place) bool { return !p.done }), nil
}

// look goes through so many offsets of a partition, or until what it finds is behind all that there is room for.
func (s *scanner) look(p *place, offsets int64) error {
	for offsets > 0 && !p.done {
		at, stretch := p.at, s.stretch
		gone, err := s.read(p, min(offsets, stretch))
		if err != nil || gone || p.at == at && s.stretch == stretch {
			return err
		}
		offsets -= max(p.at-at, at-p.at)
	}
	return nil
}

// read reads up to so many offsets of a partition. gone says that something was given back: what follows is of no use now.
func (s *scanner) read(p *place, offsets int64) (gone bool, err error) {
	from, to := p.at, p.at+offsets
	if s.back {
		from, to = max(p.at-offsets, s.start(p.partition)), p.at
	}
	if from >= to {
		p.done = true
		return false, nil
	}
	q := url.Values{"offset": {strconv.FormatInt(from, 10)}, "max": {strconv.FormatInt(to-from, 10)}, "max_bytes": {strconv.Itoa(readBytes)}, "encoding": {"base64"}}
	got, err := read[api.ReadResponse](s.v, get(q, "topics", s.topic.Name, "partitions", strconv.Itoa(p.partition), "records"))
	if isCode(err, api.OffsetOutOfRange) {
		var r *refused
		if errors.As(err, &r) && r.problem.StartOffset != nil && *r.problem.StartOffset > from && !s.back {
			p.at = *r.problem.StartOffset // it was trimmed meanwhile
			return false, nil
		}
		p.done = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if s.back && got.NextOffset < to && to-from > 1 { // cut by its bytes, and the newest are missing: a shorter stretch has them
		s.stretch = max(1, min(got.NextOffset-from, (to-from)/2))
		return false, nil
	}
	if s.back {
		p.at, p.done = from, from <= s.start(p.partition)
	} else {
		p.at, p.done = max(got.NextOffset, from), got.NextOffset >= got.EndOffset
	}
	for _, r := range got.Records {
		if r.Offset >= to {
			break
		}
		s.out.Scanned++
		if s.filter.matches(&r) {
			s.batch = append(s.batch, r)
			s.held += bytesIn(&r)
		}
	}
	return s.cut(p.partition), nil
}

// cut puts the batch in order and gives back what there is no room for. It tells whether anything of a partition was.
func (s *scanner) cut(partition int) (gone bool) {
	slices.SortFunc(s.batch, s.compare)
	for n := len(s.batch); n > 0; n-- {
		all := len(s.out.Records) + n
		if all <= s.limit && (s.held <= scanBytes || all == 1) {
			break
		}
		r := &s.batch[n-1]
		s.unread(r.Partition, r.Offset)
		s.held -= bytesIn(r)
		gone = gone || r.Partition == partition
		*r = api.Record{}
		s.batch, s.full = s.batch[:n-1], true
	}
	return gone
}

// compare orders by time, in the direction of the scan; of one partition by offset.
func (s *scanner) compare(a, b api.Record) int {
	d := cmp.Or(time.Time(a.Timestamp).Compare(time.Time(b.Timestamp)), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	if s.back {
		return -d
	}
	return d
}

// unread moves a place back so that a record is read again.
func (s *scanner) unread(partition int, offset int64) {
	for i := range s.places {
		p := &s.places[i]
		switch {
		case p.partition != partition:
			continue
		case s.back:
			p.at = max(p.at, offset+1)
		default:
			p.at = min(p.at, offset)
		}
		p.done = false
	}
}

// bytesIn is about what a record takes of the memory.
func bytesIn(r *api.Record) int {
	n := 256 + len(r.Value.Value)
	for _, s := range []*string{r.Key, r.KeyBase64, r.Text, r.ValueBase64} {
		if s != nil {
			n += len(*s)
		}
	}
	for _, h := range []map[string]string{r.Headers, r.HeadersBase64} {
		for name, v := range h {
			n += len(name) + len(v)
		}
	}
	return n
}

func (s *scanner) start(partition int) int64 {
	for _, p := range s.topic.Partitions {
		if p.Partition == partition {
			return p.StartOffset
		}
	}
	return 0
}

// begin gives the places where a scan begins.
func (v *visit) begin(t *api.Topic, f filter, at string) ([]place, error) {
	if at != "" {
		return parsePlaces(at)
	}
	var out []place
	for _, p := range t.Partitions {
		if f.Partition >= 0 && p.Partition != f.Partition {
			continue
		}
		one := place{partition: p.Partition}
		switch f.From {
		case "newest":
			one.at = p.EndOffset
		case "oldest":
			one.at = p.StartOffset
		default:
			if n, err := strconv.ParseInt(f.From, 10, 64); err == nil {
				one.at = max(n, p.StartOffset)
				if n >= p.EndOffset {
					one.done = true
				}
				break
			}
			q := url.Values{"offset": {f.From}, "max": {"1"}}
			got, err := read[api.ReadResponse](v, get(q, "topics", t.Name, "partitions", strconv.Itoa(p.Partition), "records"))
			if isCode(err, api.InvalidRequest) {
				return nil, badf("from is newest, oldest, an offset, or a time as in 2026-01-02T15:04:05Z, not %q", clip(f.From, 40))
			}
			if err != nil {
				return nil, err
			}
			one.at, one.done = got.NextOffset, true
			if len(got.Records) > 0 {
				one.at, one.done = got.Records[0].Offset, false
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// formatPlaces writes where to go on as "0:17,1:20"; "" when nothing is left.
func formatPlaces(places []place) string {
	var parts []string
	for _, p := range places {
		if !p.done {
			parts = append(parts, strconv.Itoa(p.partition)+":"+strconv.FormatInt(p.at, 10))
		}
	}
	return strings.Join(parts, ",")
}

func parsePlaces(text string) (out []place, err error) {
	for _, part := range strings.Split(text, ",") {
		a, b, ok := strings.Cut(part, ":")
		partition, err1 := strconv.Atoi(a)
		at, err2 := strconv.ParseInt(b, 10, 64)
		if !ok || err1 != nil || err2 != nil || partition < 0 || at < 0 {
			return nil, badf("at: %q is no place to go on at", clip(part, 40))
		}
		out = append(out, place{partition: partition, at: at})
	}
	return out, nil
}
