package console

import (
	"net/url"
	"sort"
	"strconv"
	"time"

	"github.com/holtmq/holt/client/api"
)

// recordsPage lists unsettled records of a group.
type recordsPage struct {
	G      *groupView
	State  string
	Items  []api.GroupRecord
	Query  url.Values
	Next   string
	Sort   string
	Member string
	Cut    bool // there are more leases than were looked at
}

// recordsOfPage is how many records a page lists.
const recordsOfPage = 100

// showRecords lists the records of a group in one state: ?state=, ?cursor=.
func showRecords(v *visit) error {
	name := v.r.PathValue("group")
	g, err := v.groupView(name)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := recordsPage{G: g, State: q.Get("state"), Query: q}
	if d.State == "" {
		d.State = "available"
	}
	ask := url.Values{"state": {d.State}, "limit": {num(recordsOfPage)}}
	if c := q.Get("cursor"); c != "" {
		ask.Set("cursor", c)
	}
	list, err := read[api.GroupRecordList](v, get(ask, "groups", name, "records"))
	if err != nil {
		return err
	}
	d.Next = list.NextCursor
	d.Items = list.Items
	p := v.groupPage(name, "Records of "+name, "records", d)
	p.Tabs = v.groupTabs(g, "records")
	return v.render(p)
}

// maxLeases is how many leases are sorted by their deadline.
const maxLeases = 1000

// showLeases lists who holds what: ?sort=expiry (default), held, attempt, place; ?member=.
func showLeases(v *visit) error {
	name := v.r.PathValue("group")
	g, err := v.groupView(name)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	d := recordsPage{G: g, State: "leased", Query: q, Sort: q.Get("sort"), Member: q.Get("member")}
	list, err := read[api.GroupRecordList](v, get(url.Values{"state": {"leased"}, "limit": {strconv.Itoa(maxLeases)}}, "groups", name, "records"))
	if err != nil {
		return err
	}
	d.Cut = list.NextCursor != ""
	for _, r := range list.Items {
		if d.Member == "" || r.Member == d.Member {
			d.Items = append(d.Items, r)
		}
	}
	switch d.Sort {
	case "attempt":
		sort.SliceStable(d.Items, func(i, j int) bool { return d.Items[i].Attempt > d.Items[j].Attempt })
	case "held":
		sort.SliceStable(d.Items, func(i, j int) bool { return timeOf(d.Items[i].LeasedAt).Before(timeOf(d.Items[j].LeasedAt)) })
	case "place":
	default:
		sort.SliceStable(d.Items, func(i, j int) bool { return timeOf(d.Items[i].ExpiresAt).Before(timeOf(d.Items[j].ExpiresAt)) })
	}
	d.Items = d.Items[:min(len(d.Items), 2*recordsOfPage)]
	p := v.groupPage(name, "Leases of "+name, "leases", d)
	p.Tabs = v.groupTabs(g, "leases")
	return v.render(p)
}

// soon tells whether a lease is about to run out.
func soon(now time.Time, t *api.Time) bool { return timeOf(t).Sub(now) < 5*time.Second }
