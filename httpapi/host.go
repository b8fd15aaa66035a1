package httpapi

import (
	"net"
	"net/netip"
	"strings"
)

// hosts is the allow-list of names in the Host header: a page that had its own name resolve to this server's address
// (DNS rebinding) sends that name.
type hosts struct {
	any   bool
	names map[string]bool
}

func newHosts(names []string) hosts {
	h := hosts{names: map[string]bool{"localhost": true}}
	for _, n := range names {
		h.any = h.any || n == "*"
		h.names[canonicalHost(n)] = true
	}
	return h
}

// allow tells whether a Host header names this server: loopback by name or address, or a configured one, with any port.
func (h hosts) allow(host string) bool {
	if h.any || host == "127.0.0.1:4658" || host == "localhost:4658" {
		return true
	}
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = canonicalHost(name)
	if h.names[name] {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == "" && addr.Unmap().IsLoopback()
}

// canonicalHost is a host without brackets and final dot, in lower case.
func canonicalHost(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
