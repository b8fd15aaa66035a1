package httpapi

import (
	"net/http"
)

// keyOfPath answers with the newest record of the key in the path.
func (a *API) keyOfPath(x *exchange) error {
	key, err := x.param("key")
	if err != nil {
		return err
	}
	if err := x.params("encoding"); err != nil {
		return err
	}
	return x.newest([]byte(key))
}

// keyOfQuery answers with the newest record of the key in the query, which may be empty and any bytes.
func (a *API) keyOfQuery(x *exchange) error {
	if err := x.params("key", "key_base64", "encoding"); err != nil {
		return err
	}
	key, ok, err := x.queryKey()
	if err != nil {
		return err
	}
	if !ok {
		return invalid("key or key_base64 is missing")
	}
	return x.newest(key)
}

func (x *exchange) newest(key []byte) error {
	topic, err := x.name("topic")
	if err != nil {
		return err
	}
	values, err := x.queryEncoding()
	if err != nil {
		return err
	}
	r, partition, err := x.api.broker.ReadKey(x.ctx(), topic, key)
	if err != nil {
		return err
	}
	buf := x.api.buffer()
	defer x.api.giveBack(buf)
	e := encoder{b: (*buf)[:0], values: values}
	e.appendRead(partition, &r)
	e.raw("\n")
	*buf = e.b
	return x.sent(x.write(http.StatusOK, "application/json", *buf))
}
