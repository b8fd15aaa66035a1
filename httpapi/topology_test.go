package httpapi

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holtmq/holt/client/api"
)

// busy lets two clients publish, one of them work, and a group bury a record.
func busy(h *house) {
	h.put("/v1/topics/orders", `{"partitions":2,"schema":{"type":"object","properties":{"id":{"type":"integer","maximum":12345678901234567890},"yes":{"const":"a\u2028\ud83d\ude00<b>"}}},"schema_compatibility":"full"}`).is(201)
	for _, client := range []string{"shop/1.2", "shop/1.2", "old <script>"} {
		h.call("POST", "/v1/topics/orders/records", `{"value":{"id":1}}`, "Content-Type", "application/json", "Holt-Client", client).is(200)
	}
	h.call("POST", "/v1/topics/events/records", `{"value":1}`, "Content-Type", "application/json", "User-Agent", "curl/8.5.0 (x86)").is(200)
	h.put("/v1/groups/billing", `{"topics":["orders"],"max_attempts":1}`).is(201)
	var leased api.LeaseResponse
	h.call("POST", "/v1/groups/billing/lease", `{"max":2,"member":"w-1"}`, "Holt-Client", "billing").into(&leased)
	h.call("POST", "/v1/groups/billing/settle", `{"ack":["`+leased.Records[0].Receipt+`"],"publish":[{"topic":"bills","records":[{"value":1}]}]}`, "Holt-Client", "billing").is(200)
	h.call("POST", "/v1/groups/billing/nack", `{"receipt":"`+leased.Records[1].Receipt+`"}`, "Holt-Client", "billing").is(200)
	h.call("POST", "/v1/groups/ledger/join", `{"topics":["orders","events"]}`, "Holt-Client", "ledger").is(200)
}

func TestTopology(t *testing.T) {
	inBubble(t, func(h *house) {
		busy(h)
		time.Sleep(time.Minute)
		var got api.Topology
		h.get("/v1/topology").into(&got)
		edges := map[string]api.TopologyEdge{}
		for _, e := range got.Edges {
			edges[e.From+" "+e.Kind+" "+e.To] = e
		}
		for _, want := range []string{
			"client:shop/1.2 publishes topic:orders", "client:old <script> publishes topic:orders", "client:curl/8.5.0 publishes topic:events",
			"topic:orders reads group:billing", "group:billing delivers client:billing", "client:billing publishes topic:bills",
			"group:billing dead_letters topic:billing.dlq", "topic:orders reads group:ledger", "topic:events reads group:ledger", "group:ledger delivers client:ledger",
		} {
			if _, ok := edges[want]; !ok {
				t.Errorf("there is no %q", want)
			}
			delete(edges, want)
		}
		if len(edges) > 0 {
			t.Errorf("more edges: %v", edges)
		}
		nodes := map[string]api.TopologyNode{}
		for _, n := range got.Nodes {
			if _, twice := nodes[n.ID]; twice {
				t.Errorf("%s is there twice", n.ID)
			}
			nodes[n.ID] = n
		}
		if n := nodes["topic:orders"]; n.PerSecond == 0 || *n.Records != 3 || n.SchemaVersion != 1 || n.Partitions != 2 {
			t.Errorf("%+v", n)
		}
		if n := nodes["group:billing"]; *n.Lag != 1 || *n.DeadLetters != 1 || n.GroupKind != "share" || len(n.Members) != 1 || n.Members[0] != "w-1" {
			t.Errorf("%+v", n)
		}
		if n := nodes["client:billing"]; n.SeenAt == nil || n.PerSecond == 0 {
			t.Errorf("%+v", n)
		}
		for _, e := range got.Edges {
			if nodes[e.From].ID == "" || nodes[e.To].ID == "" {
				t.Errorf("an edge to nowhere: %+v", e)
			}
		}
		time.Sleep(25 * time.Hour)
		h.get("/v1/topology").into(&got)
		if strings.Contains(h.get("/v1/topology").body, "client:") {
			t.Error("clients are there a day later")
		}
		h.call("DELETE", "/v1/topics/events?force=true", "").is(204)
		h.publish("events", `{"value":1}`).is(200)
		if strings.Contains(h.get("/v1/topology").body, "curl") {
			t.Error("what published to the old topic is seen at the new one")
		}
	})
}

func TestClientNames(t *testing.T) {
	for _, tt := range []struct{ client, agent, want string }{
		{"shop/1", "curl/8", "shop/1"}, {"", "curl/8 (linux)", "curl/8"}, {"", "", ""}, {strings.Repeat("x", 100), "", strings.Repeat("x", 64)},
		{"a\x1bb\xffc", "", "abc"}, {"café", "", "café"}, {strings.Repeat("é", 40), "", strings.Repeat("é", 32)},
	} {
		x := &exchange{r: newRequest(tt.client, tt.agent)}
		if got := x.client(); got != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.client, tt.agent, got, tt.want)
		}
	}
}

// TestAsyncAPI reads the document as the specification's 3.0 has it.
func TestAsyncAPI(t *testing.T) {
	inBubble(t, func(h *house) {
		h.publish("plain", `{"value":1}`).is(200)
		busy(h)
		a := h.get("/asyncapi.yaml")
		a.is(200)
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(a.body), &doc); err != nil {
			t.Fatalf("%v in %s", err, a.body)
		}
		if err := checkAsync(doc); err != nil {
			t.Errorf("%v in %s", err, a.body)
		}
		at := func(path ...string) (v any) {
			v = doc
			for _, p := range path {
				v = v.(map[string]any)[p]
			}
			return v
		}
		if n := len(at("channels").(map[string]any)); n != 5 {
			t.Errorf("%d channels: %s", n, a.body)
		}
		schema := at("channels", "orders", "messages", "record", "payload", "schema", "properties").(map[string]any)
		if got := schema["yes"].(map[string]any)["const"]; got != "a\u2028😀<b>" {
			t.Errorf("a string of the schema reads %q", got)
		}
		if !strings.Contains(a.body, "maximum: 12345678901234567890\n") {
			t.Errorf("a number of the schema was changed: %s", a.body)
		}
		if got := at("operations", "client.old__script_.publishes.orders", "x-holt-client"); got != "old <script>" {
			t.Errorf("client %v: %s", got, a.body)
		}
		if got := at("operations", "group.billing.reads.orders", "action"); got != "receive" {
			t.Errorf("action %v", got)
		}
	})
}
