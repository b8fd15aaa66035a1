package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/topic"
)

// asyncVersion is the version of the AsyncAPI specification that /asyncapi.yaml is written in.
const asyncVersion = "3.0.0"

// schema202012 is the format of a topic's schema, as AsyncAPI names it.
const schema202012 = "application/schema+json;version=draft-2020-12"

// asyncDocument is an AsyncAPI document: a channel a topic; an operation for each client that publishes to it, and each group that reads it.
type asyncDocument struct {
	AsyncAPI   string                    `yaml:"asyncapi"`
	Info       asyncInfo                 `yaml:"info"`
	Content    string                    `yaml:"defaultContentType"`
	Servers    map[string]asyncServer    `yaml:"servers"`
	Channels   map[string]asyncChannel   `yaml:"channels"`
	Operations map[string]asyncOperation `yaml:"operations"`
}

type asyncInfo struct {
	Title       string `yaml:"title"`
	Version     string `yaml:"version"`
	Description string `yaml:"description"`
}

type asyncServer struct {
	Host        string `yaml:"host"`
	Protocol    string `yaml:"protocol"`
	Description string `yaml:"description"`
}

type asyncChannel struct {
	Address     string                  `yaml:"address"`
	Description string                  `yaml:"description"`
	Messages    map[string]asyncMessage `yaml:"messages"`
	Partitions  int                     `yaml:"x-holt-partitions"`
	LettersOf   string                  `yaml:"x-holt-dead-letters-of,omitempty"`
}

type asyncMessage struct {
	Name        string        `yaml:"name"`
	ContentType string        `yaml:"contentType,omitempty"`
	Headers     *yaml.Node    `yaml:"headers,omitempty"`
	Payload     *asyncPayload `yaml:"payload,omitempty"`
	Version     int           `yaml:"x-holt-schema-version,omitempty"`
}

type asyncPayload struct {
	Format string     `yaml:"schemaFormat"`
	Schema *yaml.Node `yaml:"schema"`
}

type asyncOperation struct {
	Action  string     `yaml:"action"` // send: publishes to the channel; receive: reads it
	Title   string     `yaml:"title"`
	Channel asyncRef   `yaml:"channel"`
	Message []asyncRef `yaml:"messages"`
	Client  string     `yaml:"x-holt-client,omitempty"`
	SeenAt  string     `yaml:"x-holt-last-seen-at,omitempty"`
	Group   string     `yaml:"x-holt-group,omitempty"`
	Kind    string     `yaml:"x-holt-group-kind,omitempty"`
	Clients []string   `yaml:"x-holt-clients,omitempty"`
}

type asyncRef struct {
	Ref string `yaml:"$ref"`
}

// asyncapi answers GET /asyncapi.yaml.
func (a *API) asyncapi(x *exchange) error {
	t, err := a.broker.Topology(x.ctx())
	if err != nil {
		return err
	}
	doc, err := asyncOf(t, a.broker.Info().Version, x.r)
	if err != nil {
		return fmt.Errorf("the document of all topics: %w", err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("the document of all topics: %w", err)
	}
	return x.sent(x.write(http.StatusOK, "application/yaml", out.Bytes()))
}

func asyncOf(t queue.Topology, version string, r *http.Request) (*asyncDocument, error) {
	protocol := "http"
	if r.TLS != nil {
		protocol = "https"
	}
	if version == "" {
		version = "unknown"
	}
	doc := &asyncDocument{
		AsyncAPI: asyncVersion, Content: "application/json",
		Info: asyncInfo{
			Title: "Topics of this server", Version: version,
			Description: "Every topic, who published to it in the last 24 hours (send), and the groups that read it (receive).",
		},
		Servers:    map[string]asyncServer{"holt": {Host: r.Host, Protocol: protocol, Description: "Holt; GET /openapi.yaml has its calls."}},
		Channels:   map[string]asyncChannel{},
		Operations: map[string]asyncOperation{},
	}
	for i := range t.Topics {
		c, err := channelOf(&t.Topics[i])
		if err != nil {
			return nil, err
		}
		doc.Channels[t.Topics[i].Name] = c
		for _, p := range t.Topics[i].Producers {
			op := operationOn(t.Topics[i].Name, "send", p.Name+" publishes to "+t.Topics[i].Name)
			op.Client, op.SeenAt = p.Name, p.At.UTC().Truncate(time.Millisecond).Format(api.TimeFormat)
			doc.add("client."+p.Name+".publishes."+t.Topics[i].Name, op)
		}
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		for _, topic := range g.Topics {
			if _, ok := doc.Channels[topic]; !ok {
				continue // beyond what is shown
			}
			op := operationOn(topic, "receive", "group "+g.Name+" reads "+topic)
			op.Group, op.Kind = g.Name, string(g.Kind)
			for _, c := range g.Clients {
				op.Clients = append(op.Clients, c.Name)
			}
			doc.add("group."+g.Name+".reads."+topic, op)
		}
	}
	return doc, nil
}

func operationOn(topic, action, title string) asyncOperation {
	channel := "#/channels/" + topic
	return asyncOperation{Action: action, Title: title, Channel: asyncRef{channel}, Message: []asyncRef{{channel + "/messages/record"}}}
}

// add adds an operation under a name of letters, digits, ".", "_" and "-" that no other one has.
func (d *asyncDocument) add(name string, op asyncOperation) {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	key := name
	for n := 2; ; n++ {
		if _, taken := d.Operations[key]; !taken {
			d.Operations[key] = op
			return
		}
		key = fmt.Sprintf("%s-%d", name, n)
	}
}

// headersOfChecked is what is said of a message's headers when its topic has a schema.
const headersOfChecked = `{"type":"object","properties":{"` + topic.HeaderSchema + `":{"type":"string","description":"the version of the schema that the record was checked by"}}}`

func channelOf(t *queue.TopologyTopic) (c asyncChannel, err error) {
	c = asyncChannel{
		Address: t.Name, Description: fmt.Sprintf("Topic %s, %d partitions.", t.Name, t.Partitions), Partitions: t.Partitions, LettersOf: t.LettersOf,
	}
	m := asyncMessage{Name: "record"}
	if t.SchemaText != nil {
		m.ContentType, m.Version, m.Payload = "application/json", t.Schema, &asyncPayload{Format: schema202012}
		if m.Payload.Schema, err = yamlOf(t.SchemaText); err != nil {
			return c, err
		}
		if m.Headers, err = yamlOf([]byte(headersOfChecked)); err != nil {
			return c, err
		}
	}
	c.Messages = map[string]asyncMessage{"record": m}
	return c, nil
}

// yamlOf writes JSON as YAML does. Numbers stay as they are written.
func yamlOf(text []byte) (*yaml.Node, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(v) // without escapes that YAML does not know
	if err != nil {
		return nil, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(plain, &n); err != nil {
		return nil, err
	}
	blockStyle(&n)
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		return n.Content[0], nil
	}
	return &n, nil
}

// plainWord is a string that every YAML reads as one without quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,}$`)

// blockStyle takes off what JSON looks like, where that changes nothing.
func blockStyle(n *yaml.Node) {
	switch {
	case n.Kind == yaml.MappingNode, n.Kind == yaml.SequenceNode:
		n.Style = 0
	case plainWord.MatchString(n.Value) && !slices.Contains([]string{"true", "false", "null"}, strings.ToLower(n.Value)):
		n.Style = 0
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}
