package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestIssuedCertificatesVerifyForTheirNamesAndAddresses(t *testing.T) {
	folder := t.TempDir()
	authority, err := New(folder, "ca", "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	subject := Subject{
		File: "apiserver", CommonName: "kube-apiserver", Organization: "system:masters",
		DNSNames: []string{"kubernetes.default"}, Addresses: []netip.Addr{netip.MustParseAddr("10.211.0.1")},
	}
	if err := authority.Issue(subject); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "apiserver.crt"), filepath.Join(folder, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(text) {
		t.Fatalf("read authority: %v", err)
	}
	for name, wanted := range map[string]bool{"kubernetes.default": true, "10.211.0.1": true, "10.212.0.1": false} {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name})
		if (err == nil) != wanted {
			t.Errorf("%s: %v", name, err)
		}
	}
}
