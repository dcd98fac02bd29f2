package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The parts of the API that are used (discovery.k8s.io/v1 EndpointSlice).
type (
	metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"` // opaque; never compared
	}
	endpointSlice struct {
		Metadata    metadata   `json:"metadata"`
		AddressType string     `json:"addressType"` // IPv4, IPv6 or FQDN
		Endpoints   []endpoint `json:"endpoints"`
		Ports       []port     `json:"ports"`
	}
	endpoint struct {
		Addresses  []string   `json:"addresses"` // interchangeable; the first is used
		Conditions conditions `json:"conditions"`
		Hostname   string     `json:"hostname"`
		NodeName   string     `json:"nodeName"`
		Zone       string     `json:"zone"`
		TargetRef  struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"targetRef"`
	}
	conditions struct {
		Ready       *bool `json:"ready"`       // nil: not known, to be taken as true
		Serving     *bool `json:"serving"`     // nil: as Ready
		Terminating *bool `json:"terminating"` // nil: false
	}
	port struct {
		Name     string `json:"name"`
		Protocol string `json:"protocol"` // empty: TCP
		Port     uint16 `json:"port"`     // 0: not said
	}
	// event is a line of a watch.
	event struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
)

// errExpired is the API server's 410: it no longer has the version that a watch should begin at.
var errExpired = errors.New("kubernetes: the version has expired")

// sliceSet is all slices of the service at one version.
type sliceSet struct {
	version string
	slices  map[string]endpointSlice // by name
}

func newSliceSet(version string, items []endpointSlice) (*sliceSet, error) {
	set := &sliceSet{version, map[string]endpointSlice{}}
	for _, item := range items {
		if item.Metadata.Name == "" {
			return nil, errors.New("kubernetes: an EndpointSlice without a name")
		}
		set.slices[item.Metadata.Name] = item
	}
	if version == "" {
		return nil, errors.New("kubernetes: a list without a resourceVersion")
	}
	return set, nil
}

// sorted returns the slices in an order that does not change from call to call.
func (s *sliceSet) sorted() []endpointSlice {
	list := make([]endpointSlice, 0, len(s.slices))
	for _, name := range slices.Sorted(maps.Keys(s.slices)) {
		list = append(list, s.slices[name])
	}
	return list
}

// apply changes the set by one event. After an error it is no longer to be used.
func (s *sliceSet) apply(e event) error {
	if e.Type == "ERROR" {
		return eventError(e.Object)
	}
	var object endpointSlice
	if err := json.Unmarshal(e.Object, &object); err != nil {
		return fmt.Errorf("kubernetes: event %q: %w", cut(e.Type), err)
	}
	m := object.Metadata
	if m.ResourceVersion == "" || m.Name == "" && e.Type != "BOOKMARK" {
		return fmt.Errorf("kubernetes: event %q without a name or version", cut(e.Type))
	}
	switch e.Type {
	case "ADDED", "MODIFIED":
		s.slices[m.Name] = object
	case "DELETED":
		delete(s.slices, m.Name)
	case "BOOKMARK":
	default:
		return fmt.Errorf("kubernetes: unknown event %q", cut(e.Type))
	}
	s.version = m.ResourceVersion
	return nil
}

// eventError is the error that an ERROR event has as its object.
func eventError(object []byte) error {
	var status APIError
	if err := json.Unmarshal(object, &status); err != nil {
		return fmt.Errorf("kubernetes: event \"ERROR\": %w", err)
	}
	status.Op = "watch"
	return status.orExpired()
}

// cut bounds what others wrote, for an error's text.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
