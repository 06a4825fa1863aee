// Package kubeapi speaks to a cluster's API server over HTTPS with the
// administrator's certificate. It knows paths and JSON, no Kubernetes types:
// the launcher stays free of dependencies and compiles in seconds.
package kubeapi

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"kintsugi/e2e/localkube/launcher/internal/plan"
	"kintsugi/e2e/localkube/launcher/internal/state"
)

const (
	requestLimit    = 10 * time.Second
	maxResponseSize = 64 << 20
)

// Client calls one API server.
type Client struct {
	server string
	http   *http.Client
}

// New reads the administrator's certificate from the cluster's folder.
func New(p plan.Plan, folder state.Folder) (*Client, error) {
	pair, err := tls.LoadX509KeyPair(folder.Path("pki", "admin.crt"), folder.Path("pki", "admin.key"))
	if err != nil {
		return nil, fmt.Errorf("read the administrator's certificate: %w", err)
	}
	authority, err := os.ReadFile(folder.Path("pki", "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}
	return &Client{
		server: fmt.Sprintf("https://%s:6443", p.ControlAddress()),
		http:   &http.Client{Transport: transport, Timeout: requestLimit},
	}, nil
}

// Get reads the object or list at path into result (nil to ignore it).
func (c *Client) Get(path string, result any) error {
	return c.call(http.MethodGet, path, "", nil, result)
}

// Apply makes the object at path be what is given, or changes it so.
func (c *Client) Apply(path string, object any) error {
	path += "?fieldManager=localkube&force=true"
	return c.call(http.MethodPatch, path, "application/apply-patch+yaml", object, nil)
}

// Merge applies a JSON merge patch (RFC 7386).
func (c *Client) Merge(path string, patch any) error {
	return c.call(http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

func (c *Client) call(method, path, contentType string, body, result any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, c.server+path, content)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponseSize))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: the API server answered %s: %.500s", method, path, response.Status, text)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
