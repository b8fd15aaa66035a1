package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// MaxValueDepth is how deeply a value that is checked may be nested.
const MaxValueDepth = 512

// Steps a check of one value may take: evaluations of a schema, and as many for what else costs about that.
const (
	baseSteps    = 20_000
	stepsPerByte = 16
)

// Schema is a compiled schema. Its methods may be called from any goroutine.
type Schema struct {
	text     []byte // compact
	doc      *document
	checkers chan *checker // idle ones; one is made when there is none
}

// Compile makes a schema of its text. Errors: ErrInvalid.
func Compile(text []byte) (*Schema, error) {
	doc, err := vet(text)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, invalid("%v", err)
	}
	s := &Schema{text: compact.Bytes(), doc: doc, checkers: make(chan *checker, runtime.GOMAXPROCS(0))}
	c, err := newChecker(doc)
	if err != nil {
		return nil, err
	}
	s.giveBack(c)
	return s, nil
}

// Text returns the schema as it was given, without white space between tokens.
func (s *Schema) Text() []byte { return s.text }

// Check returns a *Violation if a value is not JSON, or not what the schema asks for.
func (s *Schema) Check(value []byte) error {
	v, err := decode(value, MaxValueDepth)
	if err != nil {
		return &Violation{Reason: err.Error()}
	}
	c, err := s.checker()
	if err != nil {
		return &Violation{Reason: err.Error()}
	}
	defer s.giveBack(c)
	return c.check(v, baseSteps+stepsPerByte*len(value))
}

func (s *Schema) checker() (*checker, error) {
	select {
	case c := <-s.checkers:
		return c, nil
	default:
		return newChecker(s.doc)
	}
}

func (s *Schema) giveBack(c *checker) {
	select {
	case s.checkers <- c:
	default:
	}
}

// checker is a compiled schema that counts its steps, for one goroutine at a time.
type checker struct {
	compiled *jsonschema.Schema
	left     int
	dearest  int // steps that a schema takes for a value at most, before anything else is counted
}

// errTooCostly ends a check, as a panic: the validator has no other way out.
var errTooCostly = errors.New("checking it takes too many steps")

// Names of the document for the validator: with steps counted, and as it was written. Nothing is ever fetched from there.
const (
	where   = "holt:///schema.json"
	written = "holt:///written.json"
)

// newChecker compiles a vetted document.
func newChecker(doc *document) (*checker, error) {
	c, jc, err := newCompiler(doc)
	if err != nil {
		return nil, err
	}
	if _, err := jc.Compile(written); err != nil {
		return nil, invalid("%s", reason(err))
	}
	if c.compiled, err = jc.Compile(where); err != nil {
		return nil, invalid("%s", reason(err))
	}
	return c, nil
}

// newCompiler makes a checker and what compiles any schema of the document for it.
func newCompiler(doc *document) (*checker, *jsonschema.Compiler, error) {
	c := &checker{dearest: 1, left: 1 << 30} // a schema is checked, too
	jc := jsonschema.NewCompiler()
	jc.DefaultDraft(jsonschema.Draft2020)
	jc.AssertFormat()
	jc.UseLoader(noLoader{})
	jc.UseRegexpEngine(c.regexp)
	for _, unique := range []bool{false, true} {
		jc.RegisterFormat(&jsonschema.Format{Name: stepName(unique), Validate: func(v any) error { return c.step(v, unique) }})
	}
	// What the standard asks of the schema itself is asked of it as it was written.
	if err := jc.AddResource(written, doc.root.val); err != nil {
		return nil, nil, invalid("%v", err)
	}
	if err := jc.AddResource(where, c.counted(doc.root)); err != nil {
		return nil, nil, invalid("%v", err)
	}
	return c, jc, nil
}

func stepName(unique bool) string {
	if unique {
		return "holt-step-unique"
	}
	return "holt-step"
}

// counted copies a schema so that every schema in it counts a step where the standard has an annotation that may be anything. Whether items are
// unique is found out there as well.
func (c *checker) counted(n node) any {
	obj := n.object()
	if obj == nil {
		return n.val
	}
	out := maps.Clone(obj)
	unique := out["uniqueItems"] == true
	delete(out, "uniqueItems")
	delete(out, "$id")
	out["format"] = stepName(unique)
	if all, ok := out["enum"].([]any); ok {
		c.dearest = max(c.dearest, 1+len(all)/4)
	}
	for keyword := range obj {
		switch keywords[keyword] {
		case isSchema:
			sub, _ := n.child(keyword)
			out[keyword] = c.counted(sub)
		case isSchemas:
			all := n.list(keyword)
			list := make([]any, len(all))
			for i, sub := range all {
				list[i] = c.counted(sub)
			}
			out[keyword] = list
		case isNamed:
			named := map[string]any{}
			for name, sub := range n.named(keyword) {
				named[name] = c.counted(sub)
			}
			out[keyword] = named
		}
	}
	return out
}

// step counts the evaluation of one schema for one value, and those of what is right below it that may end before they are counted.
func (c *checker) step(v any, unique bool) error {
	n := 1
	switch v := v.(type) {
	case []any:
		n += len(v) * c.dearest
	case map[string]any:
		n += len(v) * c.dearest
	}
	c.pay(n)
	if items, ok := v.([]any); ok && unique {
		return c.unique(items)
	}
	return nil
}

func (c *checker) pay(n int) {
	if c.left -= n; c.left < 0 {
		panic(errTooCostly)
	}
}

// unique tells which items are equal, if two are.
func (c *checker) unique(items []any) error {
	seen := make(map[string]int, len(items))
	var b []byte
	for i, v := range items {
		b = c.canonical(b[:0], v)
		if j, twice := seen[string(b)]; twice {
			return fmt.Errorf("items at %d and %d are equal", j, i)
		}
		seen[string(b)] = i
	}
	return nil
}

// canonical appends a text that only equal values have.
func (c *checker) canonical(b []byte, v any) []byte {
	c.pay(1)
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for _, name := range sorted(v) {
			b = append(strconv.AppendQuote(b, name), ':')
			b = append(c.canonical(b, v[name]), ',')
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(c.canonical(b, item), ',')
		}
		return append(b, ']')
	case json.Number:
		c.pay(len(v) / 8)
		return append(b, rat(v).RatString()...)
	case string:
		return strconv.AppendQuote(b, v)
	default:
		return fmt.Append(b, v)
	}
}

// rat returns a number that decode took.
func rat(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic("schema: a number that was parsed is a number")
	}
	return r
}

// counting is a regular expression that counts its steps.
type counting struct {
	c    *checker
	re   *regexp.Regexp
	cost int
}

// regexp is a jsonschema.RegexpEngine.
func (c *checker) regexp(s string) (jsonschema.Regexp, error) {
	steps := 0
	if err := addSteps("", s, &steps); err != nil {
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	return &counting{c, re, steps}, nil
}

// MatchString implements jsonschema.Regexp.
func (r *counting) MatchString(s string) bool {
	r.c.pay(1 + len(s)*r.cost/128)
	return r.re.MatchString(s)
}

// String implements jsonschema.Regexp.
func (r *counting) String() string { return r.re.String() }

// noLoader refuses to load anything.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) { return nil, fmt.Errorf("%s: nothing is fetched", url) }

// check returns a *Violation if a value is not what the schema asks for.
func (c *checker) check(v any, steps int) (err error) {
	defer func() {
		if p := recover(); p == error(errTooCostly) {
			err = &Violation{Reason: errTooCostly.Error()}
		} else if p != nil {
			panic(p)
		}
	}()
	c.left = steps
	var bad *jsonschema.ValidationError
	switch err := c.compiled.Validate(v); {
	case err == nil:
		return nil
	case errors.As(err, &bad):
		return violation(bad)
	default:
		return &Violation{Reason: short(err.Error())}
	}
}

// maxCauses bounds how many of a validator's findings are looked at for the one that is told.
const maxCauses = 1_000

// violation picks one of the findings: the same one each time.
func violation(bad *jsonschema.ValidationError) *Violation {
	var best *Violation
	left := maxCauses
	var visit func(e *jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		if left--; left < 0 {
			return
		}
		if len(e.Causes) > 0 && !isChoice(e.ErrorKind) {
			for _, cause := range e.Causes {
				visit(cause)
			}
			return
		}
		v := &Violation{Pointer: pointer(e.InstanceLocation), Reason: told(e.ErrorKind)}
		if best == nil || v.Pointer < best.Pointer || v.Pointer == best.Pointer && v.Reason < best.Reason {
			best = v
		}
	}
	visit(bad)
	return best
}

// isChoice tells whether the causes of a finding are alternatives, of which none is the reason.
func isChoice(k jsonschema.ErrorKind) bool {
	switch k.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Contains, *kind.MinContains:
		return true
	}
	return false
}

// told says a finding in words.
func told(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Format:
		return k.Err.Error()
	case *kind.AnyOf:
		return "it is none of what anyOf lists"
	case *kind.OneOf:
		if k.Subschemas == nil {
			return "it is none of what oneOf lists"
		}
		return "it is more than one of what oneOf lists"
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
	}
	return short(k.LocalizedString(message.NewPrinter(language.English)))
}

func pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(escape(t))
	}
	return b.String()
}

// reason says in words why a schema does not compile.
func reason(err error) string {
	var written *jsonschema.SchemaValidationError
	if errors.As(err, &written) {
		err = written.Err
	}
	var bad *jsonschema.ValidationError
	if errors.As(err, &bad) {
		v := violation(bad)
		return fmt.Sprintf("at %q: %s", v.Pointer, v.Reason)
	}
	return short(err.Error())
}
