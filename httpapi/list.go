package httpapi

import (
	"encoding/base64"
	"strings"

	"github.com/holtmq/holt/queue/catalog"
)

// cursor is a place in a list: in one by name after the item of that name, in others at an item. It means the same after a restart.
// On the wire it is opaque.
type cursor struct {
	list string // what is listed, with its filters: a cursor is good for that list only
	at   string
}

// cursorVersion leads every cursor.
const cursorVersion = "1"

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + "\n" + c.list + "\n" + c.at))
}

// errCursor is the answer to what never was a cursor.
var errCursor = invalid("cursor: not one that a list gave; begin again without it")

// parseCursor reads a cursor of the given list.
func parseCursor(text, list string) (cursor, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	parts := strings.Split(string(b), "\n")
	if err != nil || len(parts) != 3 || parts[0] != cursorVersion || parts[2] == "" {
		return cursor{}, errCursor
	}
	if parts[1] != list {
		return cursor{}, invalid("cursor: it is of another list, or of other filters; begin again without it")
	}
	return cursor{list: list, at: parts[2]}, nil
}

// page returns what the query of a list asks for: how many items, from where on; "" is the beginning.
func (x *exchange) page(list string) (limit int, at string, err error) {
	n, err := x.queryInt("limit", defaultList, 1, maxList)
	if err != nil {
		return 0, "", err
	}
	if !x.query.Has("cursor") {
		return int(n), "", nil
	}
	c, err := parseCursor(x.query.Get("cursor"), list)
	return int(n), c.at, err
}

// pageByName is page for a list by name: how many items, after which name.
func (x *exchange) pageByName(list string) (limit int, after string, err error) {
	limit, after, err = x.page(list)
	if err == nil && after != "" && !catalog.ValidName(after) {
		err = errCursor
	}
	return limit, after, err
}

// cutPage takes a page of limit items from items, which has one more if there is a next page, and returns the cursor of that one.
func cutPage[T any](list string, items []T, limit int, name func(T) string) ([]T, string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], cursor{list: list, at: name(items[limit-1])}.String()
}
