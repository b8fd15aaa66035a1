package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// write makes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// configured is what comes of a command line, an environment and a file.
func configured(t *testing.T, args, environ []string, file string) (*serveConfig, *loaded, error) {
	t.Helper()
	c := &serveConfig{}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, c)
	flags.String("config", "", "")
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	path := ""
	if file != "" {
		path = write(t, "holt.yaml", file)
	}
	l, err := loadServeConfig(flags, c, path, environ)
	return c, l, err
}

func TestConfigDefaultsAreWhatIsDocumented(t *testing.T) {
	c, l, err := configured(t, nil, nil, "")
	if err != nil || len(l.from) != 0 || len(l.strange) != 0 {
		t.Fatalf("%+v, %v", l, err)
	}
	want := &serveConfig{
		Data: "./holt-data", Listen: "127.0.0.1:4658", AutoCreate: true, LogLevel: "info", LogFormat: "auto",
		MaxBody: 16 << 20, MaxValue: 1 << 20, MaxKey: 4 << 10, MaxHeaderBytes: 16 << 10, MaxPublish: 10_000, MaxConnections: 16_384,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestConfigSources(t *testing.T) {
	c, l, err := configured(t,
		[]string{"--data", "flag", "--hosts", "a,b"},
		[]string{"HOLT_DATA=env", "HOLT_LISTEN=127.0.0.1:2", "HOLT_TRUSTED_ORIGINS=https://a.example,https://b.example", "HOLT_MIN_FREE=", "PATH=/bin", "HOLT_AUTO_CREATE=false"},
		"data: file\nlisten: 127.0.0.1:3\nmin_free: 64MiB\nlog_level: debug\nhosts: [x, y]\nauto_create: true\nmax_value: 2097152\nlog_format: null\n")
	if err != nil {
		t.Fatal(err)
	}
	want := serveConfig{
		Data: "flag", Listen: "127.0.0.1:2", MinFree: 64 << 20, AutoCreate: false, Hosts: []string{"a", "b"},
		TrustedOrigins: []string{"https://a.example", "https://b.example"}, LogLevel: "debug", LogFormat: "auto",
		MaxBody: 16 << 20, MaxValue: 2 << 20, MaxKey: 4 << 10, MaxHeaderBytes: 16 << 10, MaxPublish: 10_000, MaxConnections: 16_384,
	}
	if diff := cmp.Diff(want, *c); diff != "" {
		t.Error(diff)
	}
	for option, from := range map[string]string{"data": "flag", "hosts": "flag", "listen": "environment", "min_free": "file", "max_value": "file", "log_format": "", "token_file": ""} {
		if l.from[option] != from {
			t.Errorf("%s is from %q, want %q", option, l.from[option], from)
		}
	}
	if list, _, err := configured(t, nil, nil, "hosts:\n  - one\n  - two, and three\n"); err != nil && !strings.Contains(err.Error(), "two, and three") || len(list.Hosts) != 2 {
		t.Errorf("a list is %q: %v", list.Hosts, err)
	}
}

// Every fault of every source comes at once, by name.
func TestConfigFaultsComeTogether(t *testing.T) {
	_, _, err := configured(t, []string{"--log-format", "xml", "--tls-cert", "c.pem"}, []string{"HOLT_AUTO_CREATE=maybe", "HOLT_MAX_BODY=1TiB", "HOLT_MAX_CONNECTIONS=many"},
		"data: ''\nmax_key: lots\ndatta: x\nlisten: {a: 1}\nlog_level: loud\ntrusted_origins: nowhere\nmax_publish: 0\notlp_endpoint: collector:4318\nconfig: x\n")
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{
		`log_format: "xml"`, "tls_cert and tls_key", `HOLT_AUTO_CREATE: "maybe" is not true or false`, `HOLT_MAX_CONNECTIONS: "many" is not a whole number`, "max_body: ", `max_key: "lots"`, `no option "datta"`, `no option "config"`,
		"listen: takes a value, not a mapping", `log_level: "loud"`, `trusted origin "nowhere"`, "max_publish: 0", "otlp_endpoint: ", "data: the directory has no name",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "max_connections") {
		t.Errorf("what was not taken has a second fault:\n%v", err)
	}
}

func TestConfigFilesThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no mapping": "- data\n", "two documents": "data: a\n---\ndata: b\n", "twice": "data: a\ndata: b\n", "broken": "data: [\n", "a list for one": "data: [a, b]\n",
	} {
		if _, _, err := configured(t, nil, nil, text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := readConfigFile(filepath.Join(t.TempDir(), "absent.yaml")); err == nil {
		t.Error("an absent file is taken")
	}
	if _, _, err := configured(t, nil, nil, "# nothing\n"); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestConfigOfOthersReachIt(t *testing.T) {
	tokens := write(t, "tokens", "# of ci\n0123456789abcdef\n\n")
	for _, c := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"--listen", "0.0.0.0:1"}, false},
		{[]string{"--listen", "[::1]:1"}, true},
		{[]string{"--listen", "localhost:1"}, true},
		{[]string{"--listen", ":1"}, false},
		{[]string{"--listen", "127.0.0.1:65536"}, false},
		{[]string{"--listen", ":1", "--insecure"}, true},
		{[]string{"--listen", ":1", "--token-file", tokens}, true},
		{[]string{"--listen", ":1", "--token-file", write(t, "none", "# none\n")}, false},
		{[]string{"--token-file", write(t, "short", "short\n")}, false},
		{[]string{"--listen", "here"}, false},
	} {
		if _, _, err := configured(t, c.args, nil, ""); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}

// Names that mean nothing are told, not refused: Kubernetes puts some of them there.
func TestConfigStrangeNames(t *testing.T) {
	_, l, err := configured(t, nil, []string{"HOLT_SERVICE_HOST=10.0.0.1", "HOLT_PORT=tcp://10.0.0.1:4658", "HOLT_DATTA=x", "HOLT_SERVER=http://x", "HOLT_TOKEN=t", "HOLT_CONFIG=f"}, "")
	if err != nil || !slices.Equal(l.strange, []string{"HOLT_DATTA", "HOLT_PORT", "HOLT_SERVICE_HOST"}) {
		t.Errorf("%v, %v", l.strange, err)
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": 0, "17": 17, "1KiB": 1024, "64MiB": 64 << 20, "2 GiB": 2 << 30, "1TiB": 1 << 40} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "1.5GiB", "x", "1MB", "9999999999GiB"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// The guide has every option, with its default.
func TestOptionsAreDocumented(t *testing.T) {
	guide, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	serveFlags(flags, &serveConfig{})
	flags.VisitAll(func(f *pflag.Flag) {
		line := ""
		for l := range strings.Lines(string(guide)) {
			if strings.HasPrefix(l, "| `") && strings.Contains(l, "`"+optionName(f.Name)+"`") {
				line = l
				break
			}
		}
		if line == "" || f.DefValue != "" && f.DefValue != "[]" && !strings.Contains(line, f.DefValue) {
			t.Errorf("docs/OPERATIONS.md does not have %s with its default %q: %q", optionName(f.Name), f.DefValue, line)
		}
	})
}
