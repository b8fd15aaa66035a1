package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/holtmq/holt/"

// floors are the packages from top to bottom. A package may import those below its own floor, and of its own floor only what stands
// before it in mayAlso. Each line says why it stands where it does.
var floors = []struct {
	packages string
	why      string
}{
	{"cmd/holt cmd/holt/blackbox", "wires everything by hand; and what tests the binary from outside"},
	{"cmd/holt/demo cmd/holt/bench", "drive the program itself, as its users do; and make load as a client"},
	{"cmd/holt/process", "child processes know nothing of what runs in them"},
	{"httpapi/console/browser", "drives the console from outside"},
	{"client/clienttest", "a whole server for the tests of those who use the client, who are its only importers"},
	{"httpapi", "speaks HTTP and knows no engine"},
	{"httpapi/console", "pages for operators: what it does goes through the API above it, handed in"},
	{"httpapi/trace", "trace contexts and spans know nothing of what they trace"},
	{"queue/sim queue/sim/bug", "the whole broker, with the service of its dead letters, under faults; and faults put into it"},
	{"dlq", "what operators do with dead letters, over the queue's own primitives"},
	{"queue", "the facade: what its sub-packages do, for callers above"},
	{"queue/redrive", "what jobs over dead letters are to do and have done"},
	{"queue/backup", "copies of the store, which it is given"},
	{"queue/definition queue/topology", "changes definitions and has what is at work follow; and draws what is at work, with who talks to it"},
	{"queue/admit", "refuses what is over a limit, whatever it is about"},
	{"queue/retain", "what may go is for definitions, indexes and groups to say; groups come to it as an interface"},
	{"queue/group", "the groups at work, of both kinds"},
	{"queue/share queue/ordered queue/cron", "share groups act for the lease machine, ordered groups for the roster; schedules publish into topics"},
	{"queue/topic", "open topics: records on their way in, at once or when due"},
	{"queue/wait queue/catalog", "waiting and definitions know nothing of groups at work"},
	{"queue/keys queue/tail", "an index of a partition's keys, and a reader of all partitions: each for one topic"},
	{"queue/dedupe queue/schedule", "ids and due times, journaled beside the records"},
	{"queue/history", "samples of how the server was, on its own log"},
	{"queue/traffic", "who talks to whom, on the server's own log"},
	{"queue/system", "the server's own journals, on a log without records"},
	{"queue/partition", "offsets, timestamps, reading"},
	{"queue/journal queue/commit", "what is durable about a partition, and how it becomes so"},
	{"queue/store/badger queue/store/memory queue/store/storetest", "an engine knows only the seam and its own library"},
	{"queue/store", "the seam"},
	{"dlq/letter", "the envelope of a dead letter is pure"},
	{"queue/schema", "JSON Schema, checked and compared, is pure"},
	{"client", "a user of the client never compiles the server: of it only the record's stored form, which polls carry"},
	{"queue/record", "the record's stored form"},
	{"queue/ordered/roster", "who is in an ordered group and holds what: pure"},
	{"queue/ordered/assign", "who is to hold what: pure"},
	{"queue/varint", "deltas and checkpoints taken apart: pure"},
	{"lease client/api", "the lease machine and the wire format know nobody"},
}

// allowed are the packages from outside that a package may import, where that matters; the others may import what go.mod has.
var allowed = map[string]string{
	"lease":      "",
	"client/api": "",
	"client":     "github.com/klauspost/compress",
	"dlq":        "",
	"dlq/letter": "",

	"httpapi/trace": "go.opentelemetry.io/proto/otlp google.golang.org/protobuf",

	"queue": "", "queue/history": "", "queue/admit": "", "queue/redrive": "", "queue/definition": "", "queue/topology": "", "queue/group": "", "queue/share": "", "queue/ordered": "", "queue/ordered/roster": "", "queue/ordered/assign": "", "queue/cron": "", "queue/topic": "", "queue/wait": "", "queue/catalog": "github.com/robfig/cron", "queue/partition": "", "queue/system": "", "queue/journal": "", "queue/keys": "", "queue/retain": "", "queue/tail": "", "queue/commit": "", "queue/varint": "",
	"queue/schema": "github.com/santhosh-tekuri/jsonschema golang.org/x/text",
	"queue/store":  "", "queue/store/memory": "", "queue/store/badger": "github.com/dgraph-io google.golang.org/protobuf golang.org/x/sys",
	"queue/record": "github.com/klauspost/compress github.com/pierrec/lz4",
}

// impure is what the lease machine must not reach, directly or not: it decides, others act.
var impure = []string{"time", "os", "math/rand", "math/rand/v2", "crypto/rand", "sync", "net", "log", "log/slog", "context"}

type listed struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func TestImportsGoDownOnly(t *testing.T) {
	floor := map[string]int{}
	for i, f := range floors {
		for _, p := range strings.Fields(f.packages) {
			floor[p] = len(floors) - i
		}
	}
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen[name] = true
		if floor[name] == 0 {
			t.Errorf("package %s stands on no floor: give it one", name)
			continue
		}
		for _, imp := range p.Imports {
			below, ours := strings.CutPrefix(imp, module)
			switch {
			case ours && floor[below] >= floor[name]:
				t.Errorf("%s imports %s, which is not below it", name, below)
			case !ours && strings.Contains(imp, "."):
				checkOutside(t, name, imp)
			}
		}
	}
	for name := range floor {
		if !seen[name] {
			t.Errorf("floors name %s, which is not there", name)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// TestArchitectureNamesEveryPackage looks for each at the beginning of an entry of the list in docs/ARCHITECTURE.md.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "```\n")
	list, _, closed := strings.Cut(list, "```\n")
	if !closed {
		t.Fatal("it has no list of packages")
	}
	for _, p := range listPackages(t) {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		_, short, _ := strings.Cut(name, "/")
		short = cmp.Or(strings.TrimPrefix(short, "holt/"), name)
		if named, err := regexp.MatchString(`(?m)(^|; ) *(`+name+"|"+short+`)[: ]`, list); err != nil || !named {
			t.Errorf("%s is not in the list: %v", name, err)
		}
	}
}

func checkOutside(t *testing.T, name, imp string) {
	t.Helper()
	only, limited := allowed[name]
	if !limited {
		return
	}
	for _, prefix := range strings.Fields(only) {
		if strings.HasPrefix(imp, prefix) {
			return
		}
	}
	t.Errorf("%s imports %s; it may import only %q from outside", name, imp, only)
}

func TestLeaseMachineIsPure(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath != module+"lease" {
			continue
		}
		for _, imp := range p.Imports {
			for _, bad := range impure {
				if imp == bad {
					t.Errorf("lease imports %s: no clock, I/O, goroutine, lock or randomness", imp)
				}
			}
		}
	}
}

// listPackages returns the module's packages, without their tests.
func listPackages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
