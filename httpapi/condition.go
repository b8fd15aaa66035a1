package httpapi

import (
	"strings"

	"github.com/holtmq/holt/queue"
)

// condition reads If-Match and If-None-Match.
func (x *exchange) condition() (queue.Condition, error) {
	var c queue.Condition
	match := strings.Join(x.r.Header.Values("If-Match"), ",")
	switch match = strings.TrimSpace(match); match {
	case "":
	case "*":
		c.Exists = true
	default:
		tags, ok := parseTags(match)
		if !ok {
			return c, invalid(`If-Match: send the ETag of a GET with its double quotes, several with commas between, or "*"`)
		}
		c.Tags = tags
	}
	switch none := strings.TrimSpace(strings.Join(x.r.Header.Values("If-None-Match"), ",")); none {
	case "":
	case "*":
		c.Absent = true
	default:
		return c, invalid(`If-None-Match: only "*" is of use here`)
	}
	return c, nil
}

// change reads what a PUT says beside its path: under which condition, and what is to be.
func (x *exchange) change() (cond queue.Condition, body []byte, err error) {
	if cond, err = x.condition(); err != nil {
		return cond, nil, err
	}
	cond.Force = x.force
	body, err = x.body()
	return cond, body, err
}

// parseTags reads a list of entity tags (RFC 9110 §8.8.3). A weak one never matches strongly and becomes the tag "", which nothing has.
func parseTags(s string) ([]string, bool) {
	var tags []string
	for {
		s = strings.TrimLeft(s, " \t,")
		if s == "" {
			return tags, len(tags) > 0
		}
		strong, weak := strings.CutPrefix(s, "W/")
		if len(strong) == 0 || strong[0] != '"' {
			return nil, false
		}
		tag, rest, ok := strings.Cut(strong[1:], `"`)
		if !ok {
			return nil, false
		}
		if weak {
			tag = ""
		}
		tags = append(tags, tag)
		s = strings.TrimLeft(rest, " \t")
		if s != "" && s[0] != ',' {
			return nil, false
		}
	}
}

// tag shows the version of what an answer describes.
func (x *exchange) tag(tag string) { x.header().Set("ETag", `"`+tag+`"`) }
