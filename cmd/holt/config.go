package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// serveConfig is what "holt serve" can be told: by flag, else environment (HOLT_…), else file, else default.
type serveConfig struct {
	Data           string   `koanf:"data"`
	Listen         string   `koanf:"listen"`
	MinFree        string   `koanf:"min_free"`
	AcceptDataLoss bool     `koanf:"accept_data_loss"`
	AutoCreate     bool     `koanf:"auto_create"`
	Hosts          []string `koanf:"hosts"`
	TrustedOrigins []string `koanf:"trusted_origins"`
	TokenFile      string   `koanf:"token_file"`
	Insecure       bool     `koanf:"insecure"`
	LogLevel       string   `koanf:"log_level"`
	LogFormat      string   `koanf:"log_format"`

	minFree int64
	tokens  []string
}

// serveFlags defines the options; their names in environment and file have "_" for "-".
func serveFlags(f *pflag.FlagSet) {
	f.String("data", "./holt-data", "data `directory`, made if it does not exist")
	f.String("listen", "127.0.0.1:4658", "`address` to listen on; port 0 takes a free one")
	f.String("min-free", "", "free `space` below which publishes get 507, as in 64MiB (default: 5 % of the file system, at least 1GiB)")
	f.Bool("accept-data-loss", false, "start on a data directory that is damaged or has lost commits")
	f.Bool("auto-create", true, "publishing and leasing make missing topics and groups")
	f.StringSlice("hosts", nil, "`names` under which the server is reached, beside the loopback ones")
	f.StringSlice("trusted-origins", nil, "`origins` whose pages may call this server, as in https://console.example")
	f.String("token-file", "", "`file` with the bearer tokens that clients may use, one a line; without it no token is asked for")
	f.Bool("insecure", false, "listen on an address that others can reach without asking for a token")
	f.String("log-level", "info", "debug, info, warn or error")
	f.String("log-format", "auto", "text, json, or auto: text on a terminal")
}

// loadServeConfig reads all sources. Its errors name the option.
func loadServeConfig(flags *pflag.FlagSet, path string) (*serveConfig, error) {
	k := koanf.New(".")
	known := map[string]bool{}
	flags.VisitAll(func(f *pflag.Flag) { known[optionName(f.Name)] = true })
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return nil, fmt.Errorf("configuration file %s: %w", path, err)
		}
		for _, key := range k.Keys() {
			if !known[key] {
				return nil, fmt.Errorf("configuration file %s: there is no option %q", path, key)
			}
		}
	}
	err := k.Load(env.Provider(".", env.Opt{Prefix: "HOLT_", TransformFunc: func(name, value string) (string, any) {
		option := strings.ToLower(strings.TrimPrefix(name, "HOLT_"))
		if !known[option] {
			return "", nil
		}
		if f := flags.Lookup(strings.ReplaceAll(option, "_", "-")); f != nil && f.Value.Type() == "stringSlice" {
			return option, strings.Split(value, ",")
		}
		return option, value
	}}), nil)
	if err != nil {
		return nil, fmt.Errorf("environment: %w", err)
	}
	err = k.Load(posflag.ProviderWithFlag(flags, ".", k, func(f *pflag.Flag) (string, any) {
		return optionName(f.Name), posflag.FlagVal(flags, f)
	}), nil)
	if err != nil {
		return nil, err
	}
	c := &serveConfig{}
	if err := k.Unmarshal("", c); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return c, c.validate()
}

func optionName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// validate reports every fault at once.
func (c *serveConfig) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Data != "", "data: the directory has no name")
	host, _, err := net.SplitHostPort(c.Listen)
	check(err == nil, "listen: %q is not an address with a port, as in 127.0.0.1:4658", c.Listen)
	if c.TokenFile != "" {
		var terr error
		if c.tokens, terr = readTokens(c.TokenFile); terr != nil {
			errs = append(errs, fmt.Errorf("token_file: %w", terr))
		}
	}
	check(err != nil || c.Insecure || c.TokenFile != "" || isLoopback(host),
		"listen: %q can be reached by others: ask for a token with token_file, or say insecure if something in front does", c.Listen)
	if c.minFree, err = parseBytes(c.MinFree); err != nil {
		errs = append(errs, fmt.Errorf("min_free: %w", err))
	}
	_, ok := logLevels[c.LogLevel]
	check(ok, "log_level: %q is not debug, info, warn or error", c.LogLevel)
	check(c.LogFormat == "auto" || c.LogFormat == "text" || c.LogFormat == "json", "log_format: %q is not auto, text or json", c.LogFormat)
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// readTokens reads a file with a token a line; empty lines and those that begin with # are passed over.
func readTokens(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no token", path)
	}
	return out, nil
}

// parseBytes reads a number of bytes: "1073741824", "64MiB", "1GiB"; "" is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	unit := int64(1)
	number := s
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if head, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = strings.TrimSpace(head), n
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("%q is not a number of bytes, as in 67108864 or 64MiB", s)
	}
	return n * unit, nil
}

// configPath returns the file to read: the flag, else HOLT_CONFIG, else none.
func configPath(flag string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv("HOLT_CONFIG")
}
