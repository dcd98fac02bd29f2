package kubernetes

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nohop/memcache/discovery"
)

// Config says which service's pods are the nodes. Only Service is required, in a pod.
type Config struct {
	Service   string
	Namespace string // default: that of this pod

	// Port is the name of one of the service's ports, or a number, which is taken as it is. Default: the only TCP port of the
	// service, or 11211 if it has none.
	Port string
	// Identity is what names a node; default ByPod.
	Identity Identity
	// Include says which endpoints count; default Ready.
	Include Include

	// Server is the URL of the API server. Default: that of the cluster this pod runs in, by the environment variables
	// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, and CAFile and TokenFile those of the pod's service account.
	Server    string
	CAFile    string // certificates (PEM) of the API server's authority; default with a Server: the system's
	TokenFile string // read for each request; default with a Server: no token
}

// Identity is what a node's name is. Placement hashes names, so a name that stays keeps its keys.
type Identity int

// The identities. The default is safe for every kind of workload, as no two pods have the same name; it is the stable
// one for a StatefulSet, whose pods keep their names. A DaemonSet's pods get new names with each restart, but the machine they
// run on stays: use ByNode for it. Two pods on one machine are then a conflict, which the Follower refuses as
// discovery.ErrDuplicateName, unless only one of them is ready.
const (
	ByPod  Identity = iota // the pod's name; of an endpoint that is no pod, its host name or else its address
	ByNode                 // the name of the Kubernetes node it runs on
)

// Include says which endpoints are nodes, by their conditions.
type Include int

// The choices. A pod that is shut down is not ready from the start of its grace period on, and serving until its probe
// fails.
const (
	Ready   Include = iota // ready ones, and those whose state is not known
	Serving                // these, and those that still serve while they terminate
	All                    // all that the service has
)

// validate checks what the caller gave, before any default is filled in.
func (c Config) validate() error {
	bad := func(what, value string) error { return fmt.Errorf("%w: %s %q", discovery.ErrBadConfig, what, value) }
	switch {
	case !isName(c.Service):
		return bad("service", c.Service)
	case c.Namespace != "" && !isName(c.Namespace):
		return bad("namespace", c.Namespace)
	case c.Port != "" && c.portNumber() == 0 && !isName(c.Port):
		return bad("port", c.Port)
	case c.Identity < ByPod || c.Identity > ByNode:
		return bad("identity", strconv.Itoa(int(c.Identity)))
	case c.Include < Ready || c.Include > All:
		return bad("include", strconv.Itoa(int(c.Include)))
	case c.Server == "" && c.CAFile+c.TokenFile != "":
		return bad("server", "")
	}
	return c.validateServer()
}

func (c Config) validateServer() error {
	if c.Server == "" {
		return nil
	}
	u, err := url.Parse(c.Server)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%w: the server is no http or https URL", discovery.ErrBadConfig)
	}
	if u.Scheme == "http" && c.TokenFile != "" {
		return fmt.Errorf("%w: a token is sent over https only", discovery.ErrBadConfig)
	}
	if c.Namespace == "" {
		return fmt.Errorf("%w: a server without a namespace", discovery.ErrBadConfig)
	}
	return nil
}

// portNumber is the port if it is a number that can be one, else 0.
func (c Config) portNumber() uint16 {
	number, err := strconv.ParseUint(c.Port, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(number)
}

// isName accepts what Kubernetes accepts as a name, so that it can stand in a URL.
func isName(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "-.") == s && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) && strings.ContainsFunc(s, func(r rune) bool { return r >= 'a' || r >= '0' && r <= '9' })
}
