package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// DefaultServer is the address of a server started without options.
const DefaultServer = "http://127.0.0.1:4658"

const (
	dialTimeout      = 10 * time.Second
	idleConnections  = 256 // kept open to one server
	maxAnswerBytes   = 256 << 20
	maxProblemBytes  = 1 << 20
	userAgent        = "holt-go"
	headerClient     = "Holt-Client"
	mediaJSON        = "application/json"
	mediaProblemJSON = "application/problem+json"
)

// Client is a connection pool to one server. Use New.
type Client struct {
	base      *url.URL
	http      *http.Client
	transport *http.Transport // ours, to close; nil when the caller gave an http.Client
	token     string
	name      string
	member    string
	publishes *lanes[[]byte, api.Published]
	settles   *lanes[api.SettleRequest, api.SettleResponse]
}

// Option configures a Client.
type Option func(*Client)

// WithHTTPClient uses h for every request. Its Timeout must be longer than every long poll.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithToken sends token as bearer token.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// WithName names the program in the Holt-Client header, for operators to read.
func WithName(name string) Option { return func(c *Client) { c.name = name } }

// WithMember names the worker that holds this client's leases (default: host name and a random suffix, in Work only).
func WithMember(member string) Option { return func(c *Client) { c.member = member } }

// New returns a client of the server at address, as in "http://127.0.0.1:4658", "https://queue.example/holt" or
// "127.0.0.1:4658". It sends nothing: an unreachable server shows at the first call.
func New(address string, opts ...Option) (*Client, error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base}
	for _, o := range opts {
		o(c)
	}
	if !isHeaderText(c.token) || !isHeaderText(c.name) {
		return nil, errors.New("the token and the name of the program cannot have line breaks or other control characters")
	}
	if c.http == nil {
		c.transport = newTransport()
		c.http = &http.Client{Transport: c.transport}
	}
	c.publishes = newLanes(publishLimit, c.sendRecords)
	c.settles = newLanes(settleLimit, c.sendSettles)
	return c, nil
}

// isHeaderText tells whether s can be sent in a header.
func isHeaderText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// Close closes idle connections. Calls in flight go on.
func (c *Client) Close() {
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConns:        idleConnections,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
	}
}

func parseAddress(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("server address %q: an address is written as in %q", address, DefaultServer)
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, fmt.Errorf("server address %q: %s is not a port", address, port)
		}
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server address %q: a query or fragment has no place in it", address)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
