package inventory

import (
	"fmt"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
)

// AddressError says that the address of the engine, by option or by
// DOCKER_HOST and its like, makes no sense.
type AddressError struct {
	Address string // "" when it is from the environment
	Err     error
}

func (e *AddressError) Error() string {
	if e.Address == "" {
		return fmt.Sprintf("DOCKER_HOST or its like in the environment: %v", e.Err)
	}
	return fmt.Sprintf("%q is no address of a Docker engine, such as unix:///var/run/docker.sock", Clean(e.Address))
}

func (e *AddressError) Unwrap() error { return e.Err }

// transports are those that the engine's client can dial.
var transports = map[string]bool{"unix": true, "tcp": true, "http": true}

// checkAddress refuses what the client would find out with each call only.
func checkAddress(host string) error {
	u, err := client.ParseHostURL(host)
	if err != nil {
		return &AddressError{host, err}
	}
	if !transports[u.Scheme] {
		return &AddressError{host, fmt.Errorf("transport %q", u.Scheme)}
	}
	return nil
}

// oldestAPI is that of Docker 1.12, from which on the fields that are read here
// mean what they do today (docs.docker.com/engine/api/version-history).
const oldestAPI = "1.24"

func checkAPI(version string) error {
	if versions.LessThan(version, oldestAPI) {
		return fmt.Errorf("its API %s is too old: %s or newer is needed", Clean(version), oldestAPI)
	}
	return nil
}
