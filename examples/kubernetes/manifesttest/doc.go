// Package manifesttest reads the example's manifests by the types of the Kubernetes API, strictly: what the API server would not
// know is an error. It is a module of its own because of those types.
package manifesttest
