package kubernetes

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nohop/memcache/discovery"
	"github.com/stretchr/testify/require"
)

func TestNewRefusesBadConfig(t *testing.T) {
	good := Config{Service: "memcached", Namespace: "caches", Server: "https://10.0.0.1:6443"}
	_, err := New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*Config){
		"no service":         func(c *Config) { c.Service = "" },
		"service":            func(c *Config) { c.Service = "a,b" },
		"service of dots":    func(c *Config) { c.Service = ".." },
		"namespace":          func(c *Config) { c.Namespace = "../kube-system" },
		"no namespace":       func(c *Config) { c.Namespace = "" },
		"port":               func(c *Config) { c.Port = "Memcached Port" },
		"port out of range":  func(c *Config) { c.Port = "65536 " },
		"identity":           func(c *Config) { c.Identity = 2 },
		"include":            func(c *Config) { c.Include = -1 },
		"server":             func(c *Config) { c.Server = "10.0.0.1:6443" },
		"server's scheme":    func(c *Config) { c.Server = "ftp://10.0.0.1" },
		"server's query":     func(c *Config) { c.Server = "https://10.0.0.1?x" },
		"token without TLS":  func(c *Config) { c.Server, c.TokenFile = "http://10.0.0.1", "token" },
		"CA without server":  func(c *Config) { c.Server, c.CAFile = "", "ca.crt" },
		"token of no server": func(c *Config) { c.Server, c.TokenFile = "", "token" },
	} {
		cfg := good
		change(&cfg)
		_, err := New(cfg)
		require.ErrorIs(t, err, discovery.ErrBadConfig, name)
	}
}

func TestInCluster(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"KUBERNETES_SERVICE_HOST": "2001:db8::1", "KUBERNETES_SERVICE_PORT": "443"}
	getenv := func(name string) string { return env[name] }
	_, err := Config{Service: "memcached"}.inCluster(dir, getenv)
	require.ErrorIs(t, err, ErrNotInCluster)
	require.ErrorIs(t, err, os.ErrNotExist)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "namespace"), []byte("caches\n"), 0o600))
	cfg, err := Config{Service: "memcached"}.inCluster(dir, getenv)
	require.NoError(t, err)
	require.Equal(t, Config{
		Service: "memcached", Namespace: "caches", Server: "https://[2001:db8::1]:443",
		CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token"),
	}, cfg)
	cfg, err = Config{Service: "memcached", Namespace: "others"}.inCluster(dir, getenv)
	require.NoError(t, err)
	require.Equal(t, "others", cfg.Namespace)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "namespace"), []byte("a/b"), 0o600))
	_, err = Config{Service: "memcached"}.inCluster(dir, getenv)
	require.ErrorIs(t, err, discovery.ErrBadConfig)
	delete(env, "KUBERNETES_SERVICE_PORT")
	_, err = Config{Service: "memcached"}.inCluster(dir, getenv)
	require.ErrorIs(t, err, ErrNotInCluster)
}
