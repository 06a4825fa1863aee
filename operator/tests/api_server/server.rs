//! A real API server with its etcd, on free ports of the loopback, in a folder of its own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::{Client, Config};
use tempfile::TempDir;

/// The variable with the path of the multi-call binary that e2e/localkube builds.
const BINARY: &str = "KINTSUGI_KUBE";
const TOKEN: &str = "test-token";
const START_ATTEMPTS: usize = 300;
const START_INTERVAL: Duration = Duration::from_millis(200);

/// A running API server; it ends when dropped.
pub struct ApiServer {
    pub client: Client,
    children: Vec<Child>,
    _folder: TempDir,
}

impl ApiServer {
    /// Starts etcd and the API server, and waits until it is ready.
    pub async fn start() -> Self {
        let binary = PathBuf::from(std::env::var(BINARY).unwrap_or_else(|_| {
            panic!("set {BINARY} to the kube binary that e2e/localkube builds")
        }));
        let folder = tempfile::tempdir().unwrap();
        let [client_port, peer_port, port] = free_ports();
        let etcd = start_etcd(&binary, folder.path(), client_port, peer_port);
        let server = start_server(&binary, folder.path(), client_port, port);
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().unwrap());
        config.accept_invalid_certs = true;
        config.default_retry = false;
        config.auth_info.token = Some(TOKEN.to_owned().into());
        let client = Client::try_from(config).unwrap();
        let children = vec![server, etcd];
        let running = Self {
            client,
            children,
            _folder: folder,
        };
        running.wait().await;
        running
    }

    async fn wait(&self) {
        for _ in 0..START_ATTEMPTS {
            let request = hyper::Request::get("/readyz").body(Vec::new()).unwrap();
            if self.client.request_text(request).await.is_ok() {
                return;
            }
            tokio::time::sleep(START_INTERVAL).await;
        }
        panic!("the API server is not ready after {START_ATTEMPTS} attempts");
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended already; then there is nothing left to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_ports() -> [u16; 3] {
    // All are held at once, so that no two are the same.
    let listeners = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn start_etcd(binary: &Path, folder: &Path, client_port: u16, peer_port: u16) -> Child {
    let config = folder.join("etcd.yaml");
    let text = format!(
        "name: test\n\
         data-dir: {folder}/etcd\n\
         unsafe-no-fsync: true\n\
         listen-client-urls: http://127.0.0.1:{client_port}\n\
         advertise-client-urls: http://127.0.0.1:{client_port}\n\
         listen-peer-urls: http://127.0.0.1:{peer_port}\n\
         initial-advertise-peer-urls: http://127.0.0.1:{peer_port}\n\
         initial-cluster: test=http://127.0.0.1:{peer_port}\n\
         log-level: warn\n",
        folder = folder.display(),
    );
    fs::write(&config, text).unwrap();
    spawn(
        binary,
        folder,
        "etcd",
        &["--config-file".to_owned(), config.display().to_string()],
    )
}

fn start_server(binary: &Path, folder: &Path, etcd_port: u16, port: u16) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(
        folder.join("tokens.csv"),
        format!("{TOKEN},admin,1,system:masters\n"),
    )
    .unwrap();
    let made = Command::new("openssl")
        .args(["genrsa", "-out", &path("service-accounts.key"), "2048"])
        .stderr(Stdio::null())
        .status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "openssl must be installed"
    );
    let arguments = [
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--cert-dir={}", path("certificates")),
        format!("--token-auth-file={}", path("tokens.csv")),
        format!(
            "--service-account-key-file={}",
            path("service-accounts.key")
        ),
        format!(
            "--service-account-signing-key-file={}",
            path("service-accounts.key")
        ),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.254.0.0/16".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // No controller manager runs here that would make the account which pods name.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    spawn(binary, folder, "kube-apiserver", &arguments)
}

fn spawn(binary: &Path, folder: &Path, program: &str, arguments: &[String]) -> Child {
    let log = fs::File::create(folder.join(format!("{program}.log"))).unwrap();
    Command::new(binary)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
