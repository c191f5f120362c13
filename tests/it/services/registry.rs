//! A real registry (Debian's docker-registry) on the loopback address, and images pushed to it without an engine.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::http::{Request, Response, Served, pass_on};
use super::{Running, free_port, run};
use crate::harness::wait_for;

/// `alice` and `secret`, as htpasswd writes them.
const HTPASSWD: &str = "alice:$2b$04$fGhalTyJmo4BjY5PFq0wG.bTNzl0u37BKOdaLG5YGJbjTm49SmuKu\n";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Whom it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// alice, secret.
    Password,
    /// Everybody may pull with an anonymous token.
    Token,
    /// Everybody, over an encrypted line: [`Registry::authority`] signed its certificate.
    Encrypted,
}

pub struct Registry {
    pub port: u16,
    folder: PathBuf,
    tokens: Option<Served>,
    _process: Running,
}

/// One image in the making.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub architecture: &'static str,
    pub labels: Vec<(String, String)>,
    pub annotations: Vec<(String, String)>,
    /// The kinds of Docker instead of those of OCI.
    pub of_docker: bool,
    /// What BuildKit would have noted.
    pub provenance: Option<(String, String)>,
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl Picture {
    pub fn labelled(labels: &[(&str, &str)]) -> Picture {
        Picture { architecture: "amd64", labels: owned(labels), ..Picture::default() }
    }

    pub fn annotated(mut self, annotations: &[(&str, &str)]) -> Picture {
        self.annotations = owned(annotations);
        self
    }

    pub fn on(mut self, architecture: &'static str) -> Picture {
        self.architecture = architecture;
        self
    }
}

impl Registry {
    /// Its storage lies in `folder`: several with one folder have the same images.
    pub fn start(folder: &Path, gate: Gate) -> Registry {
        let port = free_port();
        let own = folder.join(format!("registry-{port}"));
        fs::create_dir_all(&own).expect("its folder");
        let mut settings = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}/images}}\n  delete: {{enabled: true}}\n\
             http:\n  addr: \"127.0.0.1:{port}\"\n",
            folder.display()
        );
        let mut tokens = None;
        match gate {
            Gate::Open => {}
            Gate::Password => {
                fs::write(own.join("htpasswd"), HTPASSWD).expect("written");
                settings.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {}/htpasswd}}}}\n", own.display()));
            }
            Gate::Encrypted => settings.push_str(&encrypted(&own)),
            Gate::Token => {
                let served = token_server(&own);
                settings.push_str(&format!(
                    "auth: {{token: {{realm: \"http://127.0.0.1:{}/token\", service: tests, issuer: tests, rootcertbundle: {}/cert.pem}}}}\n",
                    served.port,
                    own.display()
                ));
                tokens = Some(served);
            }
        }
        fs::write(own.join("config.yml"), settings).expect("written");
        let log = fs::File::create(own.join("log")).expect("its log");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(own.join("config.yml"));
        let errors = log.try_clone().expect("its log");
        let process = Running::start(command.stdin(Stdio::null()).stdout(log).stderr(errors));
        wait_for("the registry", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Registry { port, folder: folder.to_owned(), tokens, _process: process }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate of who signed its own.
    pub fn authority(&self) -> PathBuf {
        self.folder.join(format!("registry-{}/ca.pem", self.port))
    }

    /// Another one with the same images.
    pub fn beside(&self, gate: Gate) -> Registry {
        Registry::start(&self.folder, gate)
    }

    /// What its token server was asked.
    pub fn tokens(&self) -> &Served {
        self.tokens.as_ref().expect("it has one")
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Response {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        pass_on(self.port, &Request { method: method.to_owned(), path: path.to_owned(), headers, body: body.to_vec() })
    }

    fn put_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let begun = self.ask("POST", &format!("/v2/{repository}/blobs/uploads/"), "application/octet-stream", b"");
        let location = &begun.headers.iter().find(|(key, _)| key == "location").expect("a place to upload to").1;
        let path = location.split_once(&self.host()).map_or(&location[..], |(_, path)| path);
        let digest = digest(bytes);
        let done = self.ask("PUT", &format!("{path}&digest={digest}"), "application/octet-stream", bytes);
        assert_eq!(done.status, 201, "{done:?}");
        digest
    }

    /// A manifest under a tag, or under its digest alone.
    pub fn put_manifest(&self, repository: &str, tag: Option<&str>, manifest: &Value) -> (String, usize) {
        let bytes = manifest.to_string().into_bytes();
        let digest = digest(&bytes);
        let kind = manifest["mediaType"].as_str().expect("a kind");
        let done = self.ask("PUT", &format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest)), kind, &bytes);
        assert_eq!(done.status, 201, "{done:?}");
        (digest, bytes.len())
    }

    /// Pushes an image; answers its digest.
    pub fn push(&self, repository: &str, tag: &str, picture: &Picture) -> String {
        self.put_image(repository, Some(tag), picture).0
    }

    fn put_image(&self, repository: &str, tag: Option<&str>, picture: &Picture) -> (String, usize) {
        let layer = self.put_blob(repository, &archive());
        let labels: serde_json::Map<String, Value> =
            picture.labels.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        let config = json!({
            "created": "2020-01-01T00:00:00Z", "architecture": picture.architecture, "os": "linux",
            "config": {"Labels": labels, "Env": ["PATH=/bin", "BUILT_FROM=main"]},
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        });
        let config = config.to_string().into_bytes();
        let config_digest = self.put_blob(repository, &config);
        let kinds = if picture.of_docker {
            [
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ]
        } else {
            [MANIFEST, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"]
        };
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], "digest": config_digest, "size": config.len()},
            "layers": [{"mediaType": kinds[2], "digest": layer, "size": archive().len()}],
        });
        if !picture.annotations.is_empty() {
            manifest["annotations"] =
                picture.annotations.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
        }
        self.put_manifest(repository, tag, &manifest)
    }

    /// Pushes an index of several images, with their attestations; answers its digest.
    pub fn push_index(&self, repository: &str, tag: &str, pictures: &[Picture], annotations: &[(&str, &str)]) -> String {
        let mut listed = Vec::new();
        for picture in pictures {
            let (digest, size) = self.put_image(repository, None, picture);
            listed.push(json!({
                "mediaType": MANIFEST, "digest": digest, "size": size,
                "platform": {"architecture": picture.architecture, "os": "linux"},
            }));
            if let Some((revision, source)) = &picture.provenance {
                listed.push(self.put_attestation(repository, &digest, revision, source));
            }
        }
        let mut index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed});
        if !annotations.is_empty() {
            index["annotations"] = annotations.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        }
        self.put_manifest(repository, Some(tag), &index).0
    }

    fn put_attestation(&self, repository: &str, of: &str, revision: &str, source: &str) -> Value {
        let vcs = json!({"revision": revision, "source": source});
        let statement =
            json!({"predicate": {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": vcs}}}}).to_string();
        let (config, layer) = (self.put_blob(repository, b"{}"), self.put_blob(repository, statement.as_bytes()));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{
                "mediaType": "application/vnd.in-toto+json", "digest": layer, "size": statement.len(),
                "annotations": {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"},
            }],
        });
        let (digest, size) = self.put_manifest(repository, None, &manifest);
        json!({
            "mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": "unknown", "os": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": of},
        })
    }
}

/// One empty file, as an engine unpacks it.
fn archive() -> Vec<u8> {
    let mut head = vec![0_u8; 512];
    head[..5].copy_from_slice(b"hello");
    for (at, text) in [(100, "0000644\0"), (108, "0000000\0"), (116, "0000000\0"), (124, "00000000000\0"), (136, "00000000000\0")]
    {
        head[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    head[156] = b'0';
    head[257..265].copy_from_slice(b"ustar\x0000");
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head.extend([0; 1024]);
    head
}

pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Keys for an encrypted line, and the settings that name them; they go on where those of `http` stand.
fn encrypted(folder: &Path) -> String {
    let at = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let authority = ["-subj", "/CN=authority", "-keyout", &at("ca.key"), "-out", &at("ca.pem")];
    run("openssl", &[&new[..], &authority].concat());
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    let signed =
        ["-subj", "/CN=tests", "-CA", &at("ca.pem"), "-CAkey", &at("ca.key"), "-keyout", &at("tls.key"), "-out", &at("tls.pem")];
    run("openssl", &[&new[..], &names, &signed].concat());
    format!("  tls: {{certificate: {}, key: {}}}\n", at("tls.pem"), at("tls.key"))
}

/// Gives tokens to pull to everybody but to who brings a wrong login, signed with a key of its own.
fn token_server(folder: &Path) -> Served {
    let at = |name: &str| folder.join(name).to_str().expect("text").to_owned();
    let (key, certificate) = (at("key.pem"), at("cert.pem"));
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tests",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ],
    );
    let folder = folder.to_owned();
    Served::start(move |request| {
        let known = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("alice:secret"));
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let identity = request.method == "POST" && form.contains("refresh_token=identity");
        match request.header("authorization") {
            Some(told) if told != known => return Some(Response::of(401, &[], "{}")),
            None if request.method == "POST" && !identity => return Some(Response::of(401, &[], "{}")),
            _ => {}
        }
        let text = if request.method == "POST" { &form } else { request.path.split_once('?').map_or("", |(_, query)| query) };
        let scope = text
            .split('&')
            .find_map(|pair| pair.strip_prefix("scope="))
            .unwrap_or_default()
            .replace("%3A", ":")
            .replace("%2F", "/");
        Some(Response::of(200, &[], json!({"token": token(&folder, &scope)}).to_string()))
    })
}

fn token(folder: &Path, scope: &str) -> String {
    let plain = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let certificate = fs::read_to_string(folder.join("cert.pem")).expect("it is there");
    let chain: String = certificate.lines().filter(|line| !line.starts_with("-----")).collect();
    let name = scope.split(':').nth(1).unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let head = json!({"typ": "JWT", "alg": "RS256", "x5c": [chain]});
    let claims = json!({
        "iss": "tests", "sub": "", "aud": "tests", "exp": now + 300, "nbf": now - 5, "iat": now, "jti": format!("{now}"),
        "access": [{"type": "repository", "name": name, "actions": ["pull"]}],
    });
    let signed = format!("{}.{}", plain.encode(head.to_string()), plain.encode(claims.to_string()));
    let (text, signature) = (folder.join("claims"), folder.join("signature"));
    fs::write(&text, &signed).expect("written");
    let at = |path: &Path| path.to_str().expect("text").to_owned();
    run("openssl", &["dgst", "-sha256", "-sign", &at(&folder.join("key.pem")), "-out", &at(&signature), &at(&text)]);
    format!("{signed}.{}", plain.encode(fs::read(&signature).expect("it is there")))
}
