package lab

import (
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// WantSchema checks a JSON document against a schema, by the schema's path.
func WantSchema(t TB, path, document string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(path)
	must(t, err, "compile %s", path)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	must(t, err, "read %.200q", document)
	if err := schema.Validate(doc); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
