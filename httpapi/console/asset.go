package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed asset
var assetFiles embed.FS

// assets are the files that pages load, by path below "asset/".
type assets map[string]asset

type asset struct {
	body, contentType, version string
}

func newAssets() assets {
	all := assets{}
	err := fs.WalkDir(assetFiles, "asset", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := assetFiles.ReadFile(name)
		sum := sha256.Sum256(b)
		kind := mime.TypeByExtension(path.Ext(name))
		if strings.HasSuffix(name, "LICENSE") {
			kind = "text/plain; charset=utf-8"
		}
		all[strings.TrimPrefix(name, "asset/")] = asset{string(b), kind, hex.EncodeToString(sum[:6])}
		return err
	})
	if err != nil {
		panic("console: the embedded assets cannot be read: " + err.Error())
	}
	return all
}

// link is the path of an asset below the console's root; it changes with the content.
func (a assets) link(name string) string {
	one, ok := a[name]
	if !ok {
		panic("console: there is no asset " + name)
	}
	return "asset/" + name + "?v=" + one.version
}

// ServeHTTP serves an asset: for good under the version it has, else to be asked for again.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, ok := a[strings.TrimPrefix(r.URL.Path, Base+"asset/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.contentType)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == one.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	tag := `"` + one.version + `"`
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(one.body)))
	allowWrite(w, len(one.body))
	_, _ = w.Write([]byte(one.body)) // the browser is gone: nothing to do
}
