package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/store/memory"
)

// served runs a server of the configuration over a store in memory, and returns it with its address and log.
func served(t *testing.T, cfg *serveConfig) (s *server, address string, log *bytes.Buffer) {
	t.Helper()
	log = new(bytes.Buffer)
	st := memory.New(memory.Config{})
	b, err := queue.Open(t.Context(), st, queue.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = newServer(b, l, cfg, slog.New(slog.NewTextHandler(log, nil)), nil, nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.serve() }()
	t.Cleanup(func() {
		b.Stop()
		_ = s.http.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, s.scheme() + "://" + l.Addr().String(), log
}

// replace writes a file anew, as one step, with a size or time of its own.
func replace(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err == nil {
		later := info.ModTime().Add(time.Second)
		if err := os.Chtimes(next, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func TestTokensAreReadAgain(t *testing.T) {
	const first, second = "first-0123456789abcdef", "second-0123456789abcdef"
	path := write(t, "tokens", first+"\n")
	s, address, log := served(t, &serveConfig{TokenFile: path})
	status := func(token string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v1/topics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	expect := func(when string, ofFirst, ofSecond int) {
		t.Helper()
		if a, b := status(first), status(second); a != ofFirst || b != ofSecond {
			t.Errorf("%s: %d and %d, want %d and %d", when, a, b, ofFirst, ofSecond)
		}
	}
	expect("at first", 200, 401)
	s.reload.look(false)
	expect("nothing changed", 200, 401)
	replace(t, path, second+"\n")
	expect("before it looks", 200, 401)
	s.reload.look(false)
	expect("revoked", 401, 200)
	replace(t, path, "short\n")
	s.reload.look(false)
	expect("after a file that is none", 401, 200)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.reload.look(true)
	expect("after a file that is gone", 401, 200)
	replace(t, path, first+"\n"+second+"\n")
	s.reload.look(false)
	expect("both", 200, 200)
	if strings.Contains(log.String(), "0123456789abcdef") || strings.Contains(log.String(), "=short") {
		t.Errorf("a token is in the log: %s", log)
	}
	if !strings.Contains(log.String(), "what was before stays") || strings.Count(log.String(), "level=INFO msg=\"read again\"") != 2 {
		t.Errorf("log: %s", log)
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t *testing.T, serial int64, ends time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", private)
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cfg := &serveConfig{TLSCert: filepath.Join(dir, "tls.crt"), TLSKey: filepath.Join(dir, "tls.key")}
	put := func(serial int64) {
		cert, key := selfSigned(t, serial, time.Now().Add(time.Hour))
		replace(t, cfg.TLSKey, key)
		replace(t, cfg.TLSCert, cert)
	}
	put(1)
	s, address, log := served(t, cfg)
	shown := func() int64 {
		t.Helper()
		pem, err := os.ReadFile(cfg.TLSCert)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport}).Get(address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 || resp.ProtoMajor != 1 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := shown(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	put(2)
	s.reload.look(false)
	if got := shown(); got != 2 {
		t.Errorf("after a change: certificate %d", got)
	}
	before, err := os.ReadFile(cfg.TLSKey)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, cfg.TLSKey, "no key\n")
	s.reload.look(false)
	if got := shown(); got != 2 || !strings.Contains(log.String(), "what was before stays") {
		t.Errorf("after a key that is none: certificate %d; log %s", got, log)
	}
	replace(t, cfg.TLSKey, string(before))
	if _, err := tls.Dial("tcp", strings.TrimPrefix(address, "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestCertificateThatEnded(t *testing.T) {
	cert, key := selfSigned(t, 1, time.Now().Add(-time.Hour))
	if _, err := readCertificate(write(t, "c", cert), write(t, "k", key)); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("%v", err)
	}
}

// The watch ends with its context.
func TestReloaderEnds(t *testing.T) {
	r := &reloader{log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.run(ctx)
}
