// Package manifesttest answers: would the API server take the example's manifests?
//
// It reads them by the types of the Kubernetes API, strictly: what those do not know is an error. It is a module of its own
// because of those types.
package manifesttest
