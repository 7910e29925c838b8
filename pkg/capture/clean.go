package capture

import (
	"reflect"

	"github.com/hopscope/hopscope/pkg/printable"
)

// cleanAll takes out of every string that v leads to what does not belong on
// a terminal: a capture may come from anyone. v is a pointer.
func cleanAll(v any) { clean(reflect.ValueOf(v).Elem()) }

func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(printable.Clean(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	case reflect.Map:
		cleanMap(v)
	}
}

// cleanMap replaces entries, since those of a map cannot be changed in place.
func cleanMap(m reflect.Value) {
	for _, k := range m.MapKeys() {
		key, value := reflect.New(k.Type()).Elem(), reflect.New(m.Type().Elem()).Elem()
		key.Set(k)
		value.Set(m.MapIndex(k))
		clean(key)
		clean(value)
		if key.Interface() != k.Interface() {
			m.SetMapIndex(k, reflect.Value{})
		}
		m.SetMapIndex(key, value)
	}
}
