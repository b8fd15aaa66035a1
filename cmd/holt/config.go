package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/holtmq/holt/httpapi"
	"github.com/holtmq/holt/queue"
)

// serveConfig is what "holt serve" can be told: by flag, else environment (HOLT_…), else file, else default. Sources of all three
// kinds set the same flags, so that they take the same values and refuse the same ones.
type serveConfig struct {
	Data           string
	Listen         string
	MinFree        int64
	AcceptDataLoss bool
	AutoCreate     bool
	Hosts          []string
	TrustedOrigins []string
	TokenFile      string
	TLSCert        string
	TLSKey         string
	Insecure       bool
	Environment    string
	LogLevel       string
	LogFormat      string
	OTLPEndpoint   string

	MaxBody        int64
	MaxValue       int64
	MaxKey         int64
	MaxHeaderBytes int64
	MaxPublish     int64
	MaxConnections int
}

// What a record or a request may be configured to take at most. A commit unit has 16 MiB (docs/FORMAT.md).
const (
	maxValueLimit  = 8 << 20
	maxBodyLimit   = 64 << 20
	maxKeyLimit    = 64 << 10
	maxHeaderLimit = 256 << 10
	maxRecordLimit = 100_000
)

// serveFlags defines the options; their names in environment and file have "_" for "-".
func serveFlags(f *pflag.FlagSet, c *serveConfig) {
	f.StringVar(&c.Data, "data", "./holt-data", "data `directory`, made if it does not exist")
	f.StringVar(&c.Listen, "listen", "127.0.0.1:4658", "`address` to listen on; port 0 takes a free one")
	addBytes(f, &c.MinFree, "min-free", "", "free space below which publishes get 507, a `size` of at least 32MiB, as in 64MiB (default: 5 % of the file system, at least 1GiB)")
	f.BoolVar(&c.AcceptDataLoss, "accept-data-loss", false, "start on a data directory that is damaged or has lost commits")
	f.BoolVar(&c.AutoCreate, "auto-create", true, "publishing and leasing make missing topics and groups")
	f.StringSliceVar(&c.Hosts, "hosts", nil, "`names` under which the server is reached, beside the loopback ones")
	f.StringSliceVar(&c.TrustedOrigins, "trusted-origins", nil, "`origins` whose pages may call this server, as in https://console.example")
	f.StringVar(&c.TokenFile, "token-file", "", "`file` with the bearer tokens that clients may use, one a line; without it no token is asked for. Read again when it changes")
	f.StringVar(&c.TLSCert, "tls-cert", "", "`file` with the certificate chain, PEM; with --tls-key the server speaks HTTPS. Read again when it changes")
	f.StringVar(&c.TLSKey, "tls-key", "", "`file` with the key of --tls-cert, PEM")
	f.BoolVar(&c.Insecure, "insecure", false, "listen on an address that others can reach without asking for a token")
	f.StringVar(&c.Environment, "environment", "", "`name` of what this server is for, as in production: the console shows it")
	f.StringVar(&c.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", "auto", "text, json, or auto: text on a terminal")
	f.StringVar(&c.OTLPEndpoint, "otlp-endpoint", "", "`address` of a collector that takes spans by OTLP/HTTP, as in http://127.0.0.1:4318; without it none are made")
	addBytes(f, &c.MaxBody, "max-body", "16MiB", "`size` of the largest request body, at most 64MiB")
	addBytes(f, &c.MaxValue, "max-value", "1MiB", "`size` of the largest record value, at most 8MiB")
	addBytes(f, &c.MaxKey, "max-key", "4KiB", "`size` of the largest record key, at most 64KiB")
	addBytes(f, &c.MaxHeaderBytes, "max-header-bytes", "16KiB", "`size` of a record's headers together, at most 256KiB")
	f.Int64Var(&c.MaxPublish, "max-publish", 10_000, "largest `number` of records in a publish, at most 100000")
	f.IntVar(&c.MaxConnections, "max-connections", httpapi.DefaultMaxConns, "largest `number` of open connections")
}

// validate reports every fault at once. It reads the files that the configuration names.
func (c *serveConfig) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Data != "", "data: the directory has no name")
	host, port, err := net.SplitHostPort(c.Listen)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	check(err == nil, "listen: %q is not an address with a port, as in 127.0.0.1:4658", c.Listen)
	check(err != nil || c.Insecure || c.TokenFile != "" || isLoopback(host),
		"listen: %q can be reached by others: ask for a token with token_file, or say insecure if something in front does", c.Listen)
	if c.TokenFile != "" {
		_, err := readTokens(c.TokenFile)
		check(err == nil, "token_file: %w", err)
	}
	check((c.TLSCert == "") == (c.TLSKey == ""), "tls_cert and tls_key: one without the other is of no use")
	if c.TLSCert != "" && c.TLSKey != "" {
		_, err := readCertificate(c.TLSCert, c.TLSKey)
		check(err == nil, "tls_cert: %w", err)
	}
	if err := (httpapi.Config{Hosts: c.Hosts, TrustedOrigins: c.TrustedOrigins}).Validate(); err != nil {
		errs = append(errs, err)
	}
	_, ok := logLevels[c.LogLevel]
	check(ok, "log_level: %q is not debug, info, warn or error", c.LogLevel)
	check(slices.Contains([]string{"auto", "text", "json"}, c.LogFormat), "log_format: %q is not auto, text or json", c.LogFormat)
	check(len(c.Environment) <= 64, "environment: %d bytes, at most 64", len(c.Environment))
	if c.OTLPEndpoint != "" {
		u, err := url.Parse(c.OTLPEndpoint)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "otlp_endpoint: %q is not an address, as in http://127.0.0.1:4318", c.OTLPEndpoint)
	}
	return errors.Join(append(errs, c.validateLimits())...)
}

func (c *serveConfig) validateLimits() error {
	var errs []error
	between := func(name string, n, lo, hi int64) {
		if n < lo || n > hi {
			errs = append(errs, fmt.Errorf("%s: %d is not between %d and %d", name, n, lo, hi))
		}
	}
	between("max_body", c.MaxBody, 1<<10, maxBodyLimit)
	between("max_value", c.MaxValue, 1, maxValueLimit)
	between("max_key", c.MaxKey, 1, maxKeyLimit)
	between("max_header_bytes", c.MaxHeaderBytes, 1, maxHeaderLimit)
	between("max_publish", c.MaxPublish, 1, maxRecordLimit)
	between("max_connections", int64(c.MaxConnections), 1, 1<<20)
	return errors.Join(errs...)
}

// limits are those of the broker.
func (c *serveConfig) limits() queue.Limits {
	return queue.Limits{MaxBody: c.MaxBody, MaxValue: c.MaxValue, MaxKey: c.MaxKey, MaxHeaderBytes: c.MaxHeaderBytes, MaxPublish: c.MaxPublish}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// readTokens reads a file with a token a line, and behind it what it may do; empty lines and those that begin with # are passed over.
func readTokens(path string) ([]httpapi.Token, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []httpapi.Token
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		t, err := httpapi.ParseToken(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no token", path)
	}
	if err := (httpapi.Config{Tokens: out}).Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}
