package kubernetes

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotInCluster is New without a Server outside of a pod, or in one without a service account.
var ErrNotInCluster = errors.New("kubernetes: not in a pod with a service account")

// accountDir is where a pod finds its service account ("Accessing the Kubernetes API from a Pod").
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// inCluster fills in the server, and the namespace if there is none, from the environment and the files of a pod.
func (c Config) inCluster(dir string, getenv func(string) string) (Config, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return c, ErrNotInCluster
	}
	c.Server = "https://" + net.JoinHostPort(host, port)
	c.CAFile, c.TokenFile = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
	if c.Namespace == "" {
		namespace, err := os.ReadFile(filepath.Join(dir, "namespace"))
		if err != nil {
			return c, fmt.Errorf("%w: %w", ErrNotInCluster, err)
		}
		c.Namespace = strings.TrimSpace(string(namespace))
	}
	return c, c.validate()
}
