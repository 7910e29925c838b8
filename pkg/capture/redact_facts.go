package capture

import (
	"net/netip"
	"reflect"
)

// replaceAll replaces every string and address that v leads to, in place:
// strings by the rule for their field, addresses by their type. So a field that
// the inventory gets later is replaced before anybody thinks of it. Numbers
// (ports, indices, inodes) and times stay.
func (x *redactor) replaceAll(v reflect.Value, field string) {
	switch value := v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(x.addr(value)))
		return
	case netip.AddrPort:
		v.Set(reflect.ValueOf(x.addrPort(value)))
		return
	case netip.Prefix: // a replaced one would not hold the replaced addresses
		v.SetZero()
		return
	case []netip.Prefix:
		v.SetZero()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(x.field(field, v.String()))
	case reflect.Slice:
		for i := range v.Len() {
			x.replaceAll(v.Index(i), field)
		}
	case reflect.Struct:
		t := v.Type()
		for i := range v.NumField() {
			if f := t.Field(i); f.IsExported() {
				x.replaceAll(v.Field(i), t.Name()+"."+f.Name)
			}
		}
	case reflect.Map, reflect.Pointer, reflect.Interface:
		v.SetZero() // the inventory has none; what it may hold is not known
	}
}

// field is the rule for a field of the inventory's types, and the model's.
func (x *redactor) field(field, s string) string {
	switch field {
	case "Container.ID", "Network.ID", "Attachment.NetworkID", "Proxy.ContainerID", "CounterKey.Container":
		return x.id(s)
	case "Container.Name":
		return x.name("c", s)
	case "Container.Image":
		return x.name("i", s)
	case "Container.Service":
		return x.name("s", s)
	case "Container.Project":
		return x.name("p", s)
	case "Container.State":
		return x.state(s)
	case "Container.NetworkMode":
		return x.networkMode(s)
	case "Network.Name", "Attachment.Network":
		return x.network(s)
	case "Network.Driver", "Attachment.Driver", "Device.Kind":
		return x.driver(s)
	case "Network.Bridge", "Attachment.Interface", "Attachment.HostInterface", "Device.Name":
		return x.device(s)
	case "Attachment.MAC", "Device.MAC":
		return x.mac(s)
	case "Port.Proto", "Proxy.Proto":
		return x.proto(s)
	case "Port.HowServed":
		return x.served(s)
	case "DropCount.Attributed":
		return x.keep("by", s, "journey", "socket", "device", "conntrack", "address", "counter", "none")
	case "CounterKey.Kind", "CounterKey.Qdisc", "CounterKey.Hook", "CounterKey.Stage":
		return s // names that only the kernel and this program give
	case "Namespace.Name":
		return x.name("ns", s)
	case "Container.Sandbox", "Namespace.Path":
		return "" // opens something on the original's host alone
	}
	return x.name("x", s)
}
