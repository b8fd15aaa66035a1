package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

func newRequest(client, agent string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	if client != "" {
		r.Header.Set(clientHeader, client)
	}
	if agent != "" {
		r.Header.Set("User-Agent", agent)
	}
	return r
}

// asyncFields are the fixed fields of the objects of AsyncAPI 3.0 that the document has; required ones have a "!".
var asyncFields = map[string]string{
	"document":  "asyncapi! id info! servers defaultContentType channels operations components",
	"info":      "title! version! description termsOfService contact license tags externalDocs",
	"server":    "host! protocol! protocolVersion pathname description title summary variables security tags externalDocs bindings",
	"channel":   "address messages title summary description servers parameters tags externalDocs bindings",
	"message":   "headers payload correlationId contentType name title summary description tags externalDocs bindings examples traits",
	"payload":   "schemaFormat! schema!",
	"operation": "action! channel! title summary description security tags externalDocs bindings traits messages reply",
	"reference": "$ref!",
}

var (
	extension    = regexp.MustCompile(`^x-[\w\d.\x2d_]+$`)
	operationKey = regexp.MustCompile(`^[\w\d.\-_]+$`)
)

// asyncObject holds an object to its fixed fields.
func asyncObject(kind string, v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a %s is a %T", kind, v)
	}
	fields := strings.Fields(asyncFields[kind])
	for _, f := range fields {
		if name, required := strings.CutSuffix(f, "!"); required && m[name] == nil {
			return nil, fmt.Errorf("a %s has no %s", kind, name)
		}
	}
	for name := range m {
		if !slices.Contains(fields, name) && !slices.Contains(fields, name+"!") && !extension.MatchString(name) {
			return nil, fmt.Errorf("a %s has a field %s", kind, name)
		}
	}
	return m, nil
}

// checkAsync reads a document as the specification says.
func checkAsync(doc map[string]any) error {
	if _, err := asyncObject("document", doc); err != nil {
		return err
	}
	if doc["asyncapi"] != "3.0.0" {
		return fmt.Errorf("asyncapi is %v", doc["asyncapi"])
	}
	if _, err := asyncObject("info", doc["info"]); err != nil {
		return err
	}
	for name, s := range doc["servers"].(map[string]any) {
		if _, err := asyncObject("server", s); err != nil {
			return fmt.Errorf("server %s: %w", name, err)
		}
	}
	for name, c := range doc["channels"].(map[string]any) {
		if err := checkChannel(c); err != nil {
			return fmt.Errorf("channel %s: %w", name, err)
		}
	}
	for name, o := range doc["operations"].(map[string]any) {
		if !operationKey.MatchString(name) {
			return fmt.Errorf("operation %q: the name", name)
		}
		if err := checkOperation(doc, o); err != nil {
			return fmt.Errorf("operation %s: %w", name, err)
		}
	}
	return nil
}

func checkChannel(v any) error {
	c, err := asyncObject("channel", v)
	if err != nil {
		return err
	}
	for name, v := range c["messages"].(map[string]any) {
		m, err := asyncObject("message", v)
		if err != nil {
			return fmt.Errorf("message %s: %w", name, err)
		}
		if m["payload"] != nil {
			if _, err := asyncObject("payload", m["payload"]); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkOperation(doc map[string]any, v any) error {
	o, err := asyncObject("operation", v)
	if err != nil {
		return err
	}
	if o["action"] != "send" && o["action"] != "receive" {
		return fmt.Errorf("action %v", o["action"])
	}
	channel, err := resolveAsync(doc, o["channel"])
	if err != nil {
		return err
	}
	for _, m := range o["messages"].([]any) { // each must be one of the channel's
		message, err := resolveAsync(doc, m)
		if err != nil {
			return err
		}
		known := false
		for own := range maps.Values(channel["messages"].(map[string]any)) {
			known = known || fmt.Sprint(own) == fmt.Sprint(message)
		}
		if !known {
			return fmt.Errorf("%v is no message of its channel", m)
		}
	}
	return nil
}

// resolveAsync follows a reference within the document.
func resolveAsync(doc map[string]any, v any) (map[string]any, error) {
	ref, err := asyncObject("reference", v)
	if err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(fmt.Sprint(ref["$ref"]), "#/")
	if !ok {
		return nil, fmt.Errorf("reference %v leaves the document", ref)
	}
	var at any = doc
	for token := range strings.SplitSeq(path, "/") {
		m, ok := at.(map[string]any)
		if !ok || m[token] == nil {
			return nil, fmt.Errorf("reference %v leads nowhere", ref)
		}
		at = m[token]
	}
	return at.(map[string]any), nil
}
