package diff

import (
	"strings"

	"github.com/hopscope/hopscope/pkg/model"
)

// ExchangeID is what exchanges are matched by.
type ExchangeID struct {
	From    End    `json:"from"` // who asks
	To      End    `json:"to"`   // who answers
	Port    uint16 `json:"port"`
	Proxied bool   `json:"proxied"`
	View    string `json:"view"` // both, client, server
}

// Exchange is the response time of one service, in both captures: the network,
// the application, and those that it waits for are its parts. Impact is as in
// Path, for requests.
type Exchange struct {
	ExchangeID
	Impact    float64    `json:"impact"`
	TooFew    bool       `json:"too_few"`
	Regressed bool       `json:"regressed"`
	Before    model.Dist `json:"before"`
	After     model.Dist `json:"after"`
	Changes   []Change   `json:"changes"`
	Parts     []Hop      `json:"parts"` // in the order of an exchange
}

func (s *side) exchange(id ExchangeID) *measured {
	m := s.exchanges[id]
	if m == nil {
		m = &measured{total: newTimes(s.slices), hops: map[hopID]*times{}}
		s.exchanges[id] = m
		s.exchangeOrder = append(s.exchangeOrder, id)
	}
	return m
}

// orderExchanges takes the order of rows and of their parts from the whole
// capture.
func (s *side) orderExchanges(rows []model.Exchange, names lasting) {
	for i := range rows {
		m := s.exchange(names.exchange(&rows[i]))
		for k := range rows[i].Parts {
			s.times(m, names.part(&rows[i].Parts[k]))
		}
	}
}

func (s *side) addExchange(slice int, x *model.Exchange, names lasting) {
	m := s.exchange(names.exchange(x))
	m.total.add(slice, x.Total)
	for i := range x.Parts {
		s.times(m, names.part(&x.Parts[i])).add(slice, x.Parts[i].Dist)
	}
}

func (l lasting) exchange(x *model.Exchange) ExchangeID {
	return ExchangeID{From: l.end(x.From), To: l.end(x.To), Port: x.Port, Proxied: x.Proxied, View: x.View}
}

func (l lasting) part(p *model.ExchangePart) hopID {
	ends := strings.Split(p.Where, " → ")
	for i, e := range ends {
		ends[i] = l.partEnd(e)
	}
	return hopID{hop: p.Part, where: strings.Join(ends, " → ")}
}

// partEnd translates "web", "api:8000" and "docker-proxy web:8000".
func (l lasting) partEnd(end string) string {
	prefix := ""
	if rest, ok := strings.CutPrefix(end, "docker-proxy "); ok {
		prefix, end = "docker-proxy ", rest
	}
	name, port, ok := strings.Cut(end, ":")
	if !ok || strings.Contains(port, ":") { // IPv6
		return prefix + l.name(end)
	}
	return prefix + l.name(name) + ":" + port
}

// exchanges compares what is in both captures.
func (c *comparison) exchanges() []Exchange {
	var out []Exchange
	for _, id := range c.exchangeIDs() {
		b, a := c.before.exchanges[id], c.after.exchanges[id]
		x := c.compare(b, a)
		out = append(out, Exchange{
			ExchangeID: id, Impact: x.impact, TooFew: x.tooFew,
			Before: b.total.dist, After: a.total.dist, Changes: x.changes, Parts: x.hops,
		})
	}
	return out
}

func (c *comparison) exchangeIDs() []ExchangeID {
	var out []ExchangeID
	for _, id := range c.after.exchangeOrder {
		if b := c.before.exchanges[id]; b != nil && b.total.dist.Samples > 0 && c.after.exchanges[id].total.dist.Samples > 0 {
			out = append(out, id)
		}
	}
	return out
}
