package httpapi

import (
	"net/http"
)

// keyOfPath answers with the newest record of the key in the path.
func (a *API) keyOfPath(x *exchange) error {
	return x.newest([]byte(x.key))
}

// keyOfQuery answers with the newest record of the key in the query, which may be empty and any bytes.
func (a *API) keyOfQuery(x *exchange) error {
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
	r, partition, err := x.api.broker.ReadKey(x.ctx(), x.topic, key)
	if err != nil {
		return err
	}
	x.encode().appendRead(partition, &r)
	return x.answer(http.StatusOK)
}
