package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// What the server says to do comes in the words of the command line, and nothing is said twice.
func TestAdvice(t *testing.T) {
	t.Setenv("HOLT_SERVER", serveInMemory(t))
	for _, line := range []string{
		"topic create keyed --partitions 1", "group create ordered --topic keyed --ordering key", "topic create full --set max_backlog.records=1",
		"group create slow --topic full", "publish full a", "lease slow --topic full", "consume stream --topic keyed --drain",
	} {
		mustHolt(t, strings.Fields(line)...)
	}
	for line, want := range map[string]string{
		"topic show nothing":              "topic_not_found: topic nothing: no such topic; create it with 'holt topic create', or publish to it",
		"group show nothing":              "group_not_found: group nothing: no such group; create it with 'holt group create', or name what it is to read with --topic",
		"check group nothing --workers":   "group_not_found: group nothing: no such group; create it with 'holt group create', or name what it is to read with --topic",
		"schedule show nothing":           "schedule_not_found: schedule nothing: no such schedule; create it with 'holt schedule put'",
		"schema show keyed 3":             "not_found: schema 3 of topic keyed: no such version of the schema; 'holt schema versions' lists those there are",
		"redrive show nothing":            "redrive_not_found: redrive \"nothing\": no such redrive; 'holt redrive ls' lists those there are",
		"dead-letters show ordered 1-1":   "dead_letter_not_found: group ordered, letter 1-1: no such dead letter; 'holt dead-letters ls' lists those that are open; with --state redriven or purged, the others",
		"topic rm keyed":                  "topic_in_use: topic keyed: group ordered reads it: the topic is in use; detach the groups and purge their dead letters first, or use --force",
		"topic edit keyed --partitions 2": "topic_in_use: topic keyed: group ordered reads it in key order, and growing it moves keys: the topic is in use; detach the groups and purge their dead letters first, or use --force",
		"group rm slow":                   "group_in_use: group slow: 1 leases run: the group is in use; wait until leases and members are gone and purge the dead letters first, or use --force",
		"publish full b":                  "backlog_full: topic full: group slow has 1 records before it: the topic's backlog is full; wait for its workers, or publish with --wait",
		"lease stream":                    "group_kind_mismatch: group stream is of kind ordered: the call is for the other kind of group; a group's kind is fixed when it is created; use another group",
		"group edit slow --kind ordered":  "group_kind_mismatch: group slow: it is of kind share: the call is for the other kind of group; a group's kind is fixed when it is created; use another group",
		"publish keyed v --delay 366d":    "invalid_request: records[0].delay: \"8784h\": must be 0s to 365d",
		"publish keyed v --partition 7":   "partition_not_found: record 0: partition 7: topic keyed has 1: no such partition; 'holt topic show' lists the partitions",
	} {
		code, out, errs := holt(t, "", append(strings.Fields(line), "-o", "table")...)
		if said := out + errs; code == exitDone || !strings.Contains(said, want+"\n") {
			t.Errorf("%s: exit code %d: %swant %s", line, code, said, want)
		}
	}
	mustHolt(t, "topic", "edit", "keyed", "--partitions", "2", "--force")
}

func TestAdviceForWantOfAToken(t *testing.T) {
	b, err := queue.Open(t.Context(), memory.New(memory.Config{}), queue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	h, err := httpapi.New(b, httpapi.Config{Tokens: []httpapi.Token{{Secret: "secret-of-the-test", Rights: httpapi.AllRights}}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	defer s.Close()
	t.Setenv("HOLT_SERVER", s.URL)
	t.Setenv("HOLT_TOKEN", "")
	const want = "holt: unauthenticated: this server asks for a token: give it in HOLT_TOKEN\n"
	if code, _, errs := holt(t, "", "topic", "ls"); code != exitFailed || errs != want {
		t.Errorf("exit code %d: %swant %s", code, errs, want)
	}
}
