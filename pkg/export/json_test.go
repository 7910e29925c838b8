package export

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hopscope/hopscope/pkg/model"
)

// strictSchema is the contract of the summary, and that there is nothing beside
// it: a field that the schema does not describe fails here, though readers allow
// for it.
func strictSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return compile(t, c, strictDocument(t, "summary"))
}

// strictDocument is a schema of docs/ that allows for no other field.
func strictDocument(t *testing.T, name string) any {
	t.Helper()
	f, err := os.Open("../../docs/" + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	forbidOthers(doc)
	return doc
}

func compile(t *testing.T, c *jsonschema.Compiler, doc any) *jsonschema.Schema {
	t.Helper()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parseJSON(t *testing.T, text string) any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func forbidOthers(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok {
			v["additionalProperties"] = false
		}
		for _, x := range v {
			forbidOthers(x)
		}
	case []any:
		for _, x := range v {
			forbidOthers(x)
		}
	}
}

func document(t *testing.T, s model.Snapshot) any {
	t.Helper()
	var out bytes.Buffer
	if err := JSON(&out, s); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestJSONFollowsTheSchema(t *testing.T) {
	schema := strictSchema(t)
	for name, s := range map[string]model.Snapshot{
		"slow shop": slowShop().Snapshot(names{}, meta()),
		"empty":     model.New(model.Limits{}).Snapshot(names{}, model.Meta{Ended: "signal"}),
		"with bins": slowShop().Snapshot(names{}, withBins()),
		"recorded":  slowShop().Snapshot(names{}, model.Meta{Ended: "key"}),
		"no DNS":    slowShop().Snapshot(names{}, model.Meta{Ended: "signal", NoDNS: true}),
	} {
		doc := document(t, s)
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, list := range []string{"findings", "containers", "paths", "drops", "slowest"} {
			if _, ok := doc.(map[string]any)[list].([]any); !ok {
				t.Errorf("%s: %s is no list", name, list)
			}
		}
	}
}

// TestSchemaRefuses makes sure that the validation above can fail.
func TestSchemaRefuses(t *testing.T) {
	schema := strictSchema(t)
	for name, spoil := range map[string]func(map[string]any){
		"other version": func(d map[string]any) { d["schema"] = "hopscope/summary/v2" },
		"missing":       func(d map[string]any) { delete(d, "paths") },
		"null list":     func(d map[string]any) { d["drops"] = nil },
		"no rcodes":     func(d map[string]any) { delete(d["dns"].([]any)[0].(map[string]any), "rcode") },
		"unknown field": func(d map[string]any) { d["extra"] = 1 },
		"share beyond":  func(d map[string]any) { firstHop(d)["share"] = json.Number("1.5") },
		"no date":       func(d map[string]any) { d["started_at"] = "yesterday" },
	} {
		doc := document(t, slowShop().Snapshot(names{}, meta())).(map[string]any)
		spoil(doc)
		if schema.Validate(doc) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func firstHop(d map[string]any) map[string]any {
	path := d["paths"].([]any)[0].(map[string]any)
	return path["hops"].([]any)[0].(map[string]any)
}

func TestJSONKeepsUnknownAsNull(t *testing.T) {
	doc := document(t, slowShop().Snapshot(names{}, meta())).(map[string]any)
	if v, ok := doc["cost"].(map[string]any)["user_cpu_percent"]; !ok || v != nil {
		t.Errorf("user_cpu_percent is %v, want null", v)
	}
	path := doc["paths"].([]any)[0].(map[string]any)
	if v, ok := path["published_port"]; !ok || v != nil {
		t.Errorf("published_port is %v, want null", v)
	}
	if at := doc["started_at"].(string); !strings.HasSuffix(at, "Z") {
		t.Errorf("started_at %s is not UTC", at)
	}
}
