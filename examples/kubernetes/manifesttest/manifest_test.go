package manifesttest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// kinds are the types that the manifests may have.
var kinds = map[string]func() any{
	"apps/v1 DaemonSet":                  func() any { return new(appsv1.DaemonSet) },
	"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
	"v1 Service":                         func() any { return new(corev1.Service) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
}

// read returns the objects of all manifests, by kind and name.
func read(t *testing.T) map[string]any {
	files, err := filepath.Glob("../manifests/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	objects := map[string]any{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, document := range bytes.Split(data, []byte("\n---\n")) {
			var head struct {
				APIVersion, Kind string
				Metadata         struct{ Name string }
			}
			require.NoError(t, yaml.Unmarshal(document, &head), file)
			make := kinds[head.APIVersion+" "+head.Kind]
			require.NotNil(t, make, "%s: %s %s", file, head.APIVersion, head.Kind)
			object := make()
			require.NoError(t, yaml.UnmarshalStrict(document, object), file)
			name := head.Kind + " " + head.Metadata.Name
			require.NotContains(t, objects, name)
			objects[name] = object
		}
	}
	return objects
}

// TestManifestsFitTogether: selectors find their pods, ports have their names, and HOST_IP is the address that memcached is at.
func TestManifestsFitTogether(t *testing.T) {
	objects := read(t)
	nodes := objects["DaemonSet memcached"].(*appsv1.DaemonSet)
	pod := nodes.Spec.Template
	require.Equal(t, nodes.Spec.Selector.MatchLabels, pod.Labels)
	require.True(t, pod.Spec.HostNetwork, "else HOST_IP is not the memcached's address")
	service := objects["Service memcached"].(*corev1.Service)
	require.Equal(t, pod.Labels, service.Spec.Selector)
	require.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
	require.Equal(t, pod.Spec.Containers[0].Ports[0].Name, service.Spec.Ports[0].TargetPort.StrVal)

	app := objects["Deployment app"].(*appsv1.Deployment)
	for label, value := range app.Spec.Selector.MatchLabels {
		require.Equal(t, value, app.Spec.Template.Labels[label])
	}
	container := app.Spec.Template.Spec.Containers[0]
	require.Equal(t, "HOST_IP", container.Env[0].Name)
	require.Equal(t, "status.hostIP", container.Env[0].ValueFrom.FieldRef.FieldPath)
	require.Contains(t, container.Args, "dns+"+service.Name+":11211")

	policy := objects["NetworkPolicy memcached"].(*networkingv1.NetworkPolicy)
	require.Equal(t, pod.Labels, policy.Spec.PodSelector.MatchLabels)
	for label, value := range policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels {
		require.Equal(t, value, app.Spec.Template.Labels[label], "the application is let in")
	}
}
