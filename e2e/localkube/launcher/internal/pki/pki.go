// Package pki makes the certificates of one cluster: authorities of its own
// and one certificate for each program, as kubeadm lays them out.
//
// The keys protect a test cluster on one host. They never leave its folder.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

const validity = 10 * 365 * 24 * time.Hour

// Subject is whom a certificate is for.
type Subject struct {
	// File is the name of the certificate and key files.
	File string
	// CommonName and Organization are the Kubernetes user and group.
	CommonName   string
	Organization string
	DNSNames     []string
	Addresses    []netip.Addr
}

// Authority signs certificates of a cluster.
type Authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// New makes an authority and writes FILE.crt and FILE.key into folder.
func New(folder, file, commonName string) (*Authority, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	template := template(commonName, "")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	authority := &Authority{folder: folder, certificate: template, key: key}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	if authority.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	return authority, authority.write(file, der, key)
}

// Issue writes FILE.crt and FILE.key for a subject, for servers and clients.
func (a *Authority) Issue(subject Subject) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("issue certificate %s: %w", subject.File, err)
	}
	template := template(subject.CommonName, subject.Organization)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = subject.DNSNames
	for _, address := range subject.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("issue certificate %s: %w", subject.File, err)
	}
	return a.write(subject.File, der, key)
}

// ServiceAccountKeys writes sa.key and sa.pub, which sign and check the tokens
// of service accounts.
func (a *Authority) ServiceAccountKeys() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make service account keys: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("make service account keys: %w", err)
	}
	if err := a.writePEM("sa.pub", "PUBLIC KEY", public); err != nil {
		return err
	}
	return a.writeKey("sa.key", key)
}

func template(commonName, organization string) *x509.Certificate {
	// 120 random bits make the serial number unique (RFC 5280 allows 20 bytes).
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		serial = big.NewInt(time.Now().UnixNano())
	}
	now := time.Now()
	certificate := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(validity),
	}
	if organization != "" {
		certificate.Subject.Organization = []string{organization}
	}
	return certificate
}

func (a *Authority) write(file string, certificate []byte, key *ecdsa.PrivateKey) error {
	if err := a.writePEM(file+".crt", "CERTIFICATE", certificate); err != nil {
		return err
	}
	return a.writeKey(file+".key", key)
}

func (a *Authority) writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return a.writePEM(file, "EC PRIVATE KEY", der)
}

func (a *Authority) writePEM(file, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(a.folder, file), text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
