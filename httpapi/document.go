package httpapi

import (
	_ "embed" // openapi.yaml
	"net/http"
)

// document is the API in OpenAPI 3.1. Tests hold it to the routes, the codes, and every exchange of this package's tests.
//
//go:embed openapi.yaml
var document []byte

// openapi answers GET /openapi.yaml.
func (a *API) openapi(x *exchange) error {
	return x.sent(x.write(http.StatusOK, "application/yaml", document))
}
