package blackbox_test

import (
	"strings"
	"testing"
	"time"
)

// Who publishes and who works is remembered over an orderly restart, by the name that a program gives or its user agent.
func TestTopologyOverARestart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := newClient(t, s)
	c.call("POST", "/v1/topics/orders/records", `{"value":1}`, "Content-Type", "application/json", "Holt-Client", "shop/1.2").is(200)
	c.call("POST", "/v1/topics/orders/records", `{"value":1}`, "Content-Type", "application/json", "User-Agent", "curl/8.5 (x)").is(200)
	c.call("POST", "/v1/groups/billing/lease", `{"topics":["orders"]}`, "Holt-Client", "biller").is(200)
	check := func() {
		t.Helper()
		a := c.get("/v1/topology").is(200)
		for _, want := range []string{
			`{"from":"client:shop/1.2","to":"topic:orders","kind":"publishes"`, `"from":"client:curl/8.5","to":"topic:orders"`,
			`{"from":"topic:orders","to":"group:billing","kind":"reads"`, `{"from":"group:billing","to":"client:biller","kind":"delivers"`,
		} {
			if !strings.Contains(string(a.body), want) {
				t.Errorf("no %s in %s", want, a.body)
			}
		}
		for _, want := range []string{"asyncapi: 3.0.0", "client.shop_1.2.publishes.orders:", "group.billing.reads.orders:"} {
			if a := c.get("/asyncapi.yaml").is(200); !strings.Contains(string(a.body), want) {
				t.Errorf("no %s in %s", want, a.body)
			}
		}
	}
	check()
	s.signal(15)
	if code := s.exit(t, time.Minute); code != 0 {
		t.Fatalf("exit %d", code)
	}
	s.start(t)
	check()
}
