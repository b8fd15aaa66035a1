package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/holtmq/holt/client/api"
)

const deployDir = "../../docs/deploy/"

// manifests are the documents of a file, by kind.
func manifests(t *testing.T, path string) map[string]map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var m map[string]any
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		kind, _ := m["kind"].(string)
		if m["apiVersion"] == nil || kind == "" || out[kind] != nil {
			t.Errorf("%s: %v", path, m)
		}
		out[kind] = m
	}
}

// in walks maps, and lists by index.
func in(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				t.Fatalf("no %v in %v", p, v)
			}
			v = l[p]
		}
	}
	return v
}

// understood holds a command line to the program: its command is there, and takes its flags and arguments.
func understood(t *testing.T, where string, words []string) {
	t.Helper()
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	cmd, rest, err := a.newRootCommand().Find(words)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && cmd.Args != nil {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	if err != nil || cmd.RunE == nil || cmd.HasSubCommands() {
		t.Errorf("%s: holt %s: %v", where, strings.Join(words, " "), err)
	}
}

// optionsOf are the names in the environment that "holt serve" and the other commands know.
func optionsOf() map[string]bool {
	known := map[string]bool{}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, &serveConfig{})
	flags.VisitAll(func(f *pflag.Flag) { known[envPrefix+strings.ToUpper(optionName(f.Name))] = true })
	for _, n := range notOptions {
		known[n] = true
	}
	return known
}

func TestDeployedNamesAreOptions(t *testing.T) {
	known, seen := optionsOf(), 0
	files, err := filepath.Glob(deployDir + "*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(deployDir + "kubernetes/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(files, more...) {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // a directory
		}
		for line := range strings.Lines(string(b)) {
			if text := strings.TrimSpace(line); strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "# docker") {
				continue
			}
			for _, name := range regexp.MustCompile(`\bHOLT_[A-Z_]+`).FindAllString(line, -1) {
				if seen++; !known[name] {
					t.Errorf("%s: %s is no option", path, name)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d names", seen)
	}
}

func TestDeployedConfiguration(t *testing.T) {
	c := &serveConfig{}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, c)
	if _, err := loadServeConfig(flags, c, deployDir+"holt.yaml", nil); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(deployDir + "holt.yaml")
	if err != nil {
		t.Fatal(err)
	}
	known := optionsOf()
	for _, m := range regexp.MustCompile(`(?m)^(?:# )?([a-z_]+): `).FindAllStringSubmatch(string(b), -1) {
		if !known[envPrefix+strings.ToUpper(m[1])] {
			t.Errorf("holt.yaml has %s, which is no option", m[1])
		}
	}
}

func TestDeployedUnit(t *testing.T) {
	b, err := os.ReadFile(deployDir + "holt.service")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/holt (.*)$`).FindAllStringSubmatch(string(b), -1)
	if len(commands) != 2 {
		t.Errorf("commands %v", commands)
	}
	for _, c := range commands {
		understood(t, "holt.service", strings.Fields(c[1]))
	}
}

func TestDeployedManifests(t *testing.T) {
	server := manifests(t, deployDir+"kubernetes/holt.yaml")["StatefulSet"]
	if n := in(t, server, "spec", "replicas"); n != 1 {
		t.Errorf("%v replicas on one data directory", n)
	}
	container := in(t, server, "spec", "template", "spec", "containers", 0)
	understood(t, "holt.yaml", texts(in(t, container, "args")))
	for probe, path := range map[string]string{"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"} {
		if got := in(t, container, probe, "httpGet", "path"); got != path {
			t.Errorf("%s asks %v", probe, got)
		}
	}
	worker := manifests(t, deployDir+"kubernetes/worker.yaml")["Deployment"]
	words := texts(in(t, worker, "spec", "template", "spec", "containers", 0, "command"))
	understood(t, "worker.yaml", words[1:])
	keda := manifests(t, deployDir+"kubernetes/keda.yaml")["ScaledObject"]
	if in(t, keda, "spec", "scaleTargetRef", "name") != in(t, worker, "metadata", "name") {
		t.Error("KEDA scales something else than the workers")
	}
	trigger := in(t, keda, "spec", "triggers", 0, "metadata")
	if url := in(t, trigger, "url"); url != "http://holt:4658/v1/groups/"+words[2] {
		t.Errorf("KEDA asks %v", url)
	}
	b, err := json.Marshal(api.Group{Totals: api.GroupTotals{Lag: 7}})
	if err != nil {
		t.Fatal(err)
	}
	var group any
	if err := json.Unmarshal(b, &group); err != nil {
		t.Fatal(err)
	}
	var path []any
	for part := range strings.SplitSeq(in(t, trigger, "valueLocation").(string), ".") {
		path = append(path, part)
	}
	if got := in(t, group, path...); got != 7.0 {
		t.Errorf("KEDA reads %v", got)
	}
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, e := range list {
		s, _ := e.(string)
		out = append(out, s)
	}
	return out
}

func TestDockerfileRunsTheProgram(t *testing.T) {
	b, err := os.ReadFile(deployDir + "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)(?:^|\s)CMD (\[.*\])$`).FindAllStringSubmatch(string(b), -1) {
		var words []string
		if err := json.Unmarshal([]byte(m[1]), &words); err != nil {
			t.Fatal(err)
		}
		if words[0] == "/holt" {
			words = words[1:]
		}
		understood(t, "Dockerfile", words)
	}
	for _, want := range []string{"FROM scratch", "USER 65532", "CGO_ENABLED=0", "HEALTHCHECK"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("Dockerfile has no %s", want)
		}
	}
}
