//! The certificate authority of one run.
//!
//! Where rules ask for requests to be read, the gateway ends TLS with certificates of its own. Their authority is
//! made for this run and its key never leaves this process; the sandbox gets the certificate, among those of the host
//! that it would trust anyway.

use crate::rules::Target;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Names whose certificates are kept.
const CERTIFICATES_MAX: usize = 4096;
/// Where distributions have their certificates in one file: Debian, Fedora, openSUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The same, each in a file of its own.
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Files and folders that variables name instead (openssl-env(7)); `variable` gives their values.
#[must_use]
pub fn named(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let folders = variable("SSL_CERT_DIR").unwrap_or_default();
    let all = variable("SSL_CERT_FILE").map(PathBuf::from).into_iter().chain(std::env::split_paths(&folders));
    all.filter(|path| !path.as_os_str().is_empty()).collect()
}

/// Whether everybody may read the host's certificates: those that are `named`, and where none are, those where distributions
/// have them.
#[must_use]
pub fn are_for_everybody(named: &[PathBuf]) -> bool {
    if named.is_empty() {
        return BUNDLES.iter().any(|path| mode(Path::new(path)).is_some_and(|mode| mode & READ != 0));
    }
    named.iter().all(|path| everybody_reads(path))
}

/// What others may (inode(7)).
const READ: u32 = 0o004;
const SEARCH: u32 = 0o001;

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|it| it.permissions().mode())
}

/// What is not there is nobody's to read, now or later. Of what a folder has, links lead anywhere: only those that would be
/// read without any variable are known to be everybody's.
fn everybody_reads(path: &Path) -> bool {
    let Ok(real) = std::fs::canonicalize(path) else { return true };
    let may = |path: &Path, wanted: u32| mode(path).is_none_or(|mode| mode & wanted == wanted);
    let is_reachable = real.ancestors().skip(1).all(|folder| may(folder, SEARCH));
    is_reachable
        && if real.is_dir() { FOLDERS.iter().any(|it| path == Path::new(it)) } else { may(&real, READ) }
}

/// What failed.
#[derive(Debug)]
pub struct Failed(pub String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.to_string())
    }
}

/// The authority of this run.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// In PEM.
    certificate: String,
    provider: Arc<CryptoProvider>,
    servers: Mutex<Servers>,
    clients: Mutex<HashMap<Protocols, Arc<ClientConfig>>>,
    roots: OnceLock<Arc<RootCertStore>>,
}

/// How clients are answered.
#[derive(Default)]
struct Servers {
    /// One key for all names: whoever has it has all of them anyway. Made with the first, since many runs have none.
    key: Option<KeyPair>,
    configs: HashMap<(String, Protocols), Arc<ServerConfig>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

/// Protocols of ALPN.
pub type Protocols = Vec<Vec<u8>>;

impl Authority {
    /// A new authority with new keys.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Authority, Failed> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = name("Microsandbox gateway of this run");
        lifetime(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            servers: Mutex::default(),
            clients: Mutex::default(),
            roots: OnceLock::new(),
        })
    }

    /// Certificates in PEM that a program inside trusts: the host's, as far as there are any, and this authority's.
    #[must_use]
    pub fn trust(&self) -> Vec<u8> {
        let given = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
        let places = given.into_iter().chain(BUNDLES.iter().map(Into::into));
        let mut bytes = places.filter_map(|path| std::fs::read(path).ok()).next().unwrap_or_default();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(self.certificate.as_bytes());
        bytes
    }

    /// How the gateway answers a client that dials `target` and is offered `protocols`.
    ///
    /// # Errors
    /// When no certificate can have the name.
    pub fn server(&self, target: &Target, protocols: &Protocols) -> Result<Arc<ServerConfig>, Failed> {
        let subject = match target {
            Target::Name(name) => name.clone(),
            Target::Address(address) => address.to_string(),
            Target::Loopback => "host".to_owned(),
        };
        let wanted = (subject, protocols.clone());
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = servers.configs.get(&wanted) {
            return Ok(Arc::clone(config));
        }
        let key = match servers.key.take() {
            Some(key) => key,
            None => KeyPair::generate()?,
        };
        let key = servers.key.insert(key);
        let certificate = self.certificate_for(target, &wanted.0, key)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], private)?;
        config.alpn_protocols = protocols.clone();
        let config = Arc::new(config);
        if servers.configs.len() >= CERTIFICATES_MAX {
            servers.configs.clear();
        }
        servers.configs.insert(wanted, Arc::clone(&config));
        Ok(config)
    }

    fn certificate_for(
        &self,
        target: &Target,
        subject: &str,
        key: &KeyPair,
    ) -> Result<CertificateDer<'static>, Failed> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = match target {
            Target::Address(address) => vec![SanType::IpAddress(*address)],
            Target::Name(name) => vec![SanType::DnsName(name.as_str().try_into()?)],
            Target::Loopback => msb_plan::network::HOST_NAMES
                .iter()
                .map(|name| Ok(SanType::DnsName((*name).try_into()?)))
                .collect::<Result<_, Failed>>()?,
        };
        // A common name has 64 characters at most (RFC 5280, A.1), and nobody reads it.
        params.distinguished_name = name(if subject.len() <= 64 { subject } else { "a long name" });
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        lifetime(&mut params);
        Ok(params.signed_by(key, &self.issuer)?.der().clone())
    }

    /// The host's certificate authorities, read once.
    pub fn load_roots(&self) -> &Arc<RootCertStore> {
        self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            // What can't be read is not trusted.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        })
    }

    /// How the gateway dials a server, offering `protocols`: its certificate must be good by the host's roots.
    ///
    /// # Errors
    /// When the host has no certificates.
    pub fn client(&self, protocols: &Protocols) -> Result<Arc<ClientConfig>, Failed> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(protocols) {
            return Ok(Arc::clone(client));
        }
        let roots = self.load_roots();
        if roots.is_empty() {
            return Err(Failed("the host has no certificate authorities to check servers with".to_owned()));
        }
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(roots))
            .with_no_client_auth();
        config.alpn_protocols = protocols.clone();
        let config = Arc::new(config);
        clients.insert(protocols.clone(), Arc::clone(&config));
        Ok(config)
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// From a while ago, for clocks that differ inside of what is allowed, to after any run; programs refuse certificates
/// that are good for longer than about a year.
fn lifetime(params: &mut CertificateParams) {
    let (from_year, month, day) = crate::audit::today(-2);
    params.not_before = date_time_ymd(from_year, month, day);
    let (until_year, month, day) = crate::audit::today(366);
    params.not_after = date_time_ymd(until_year, month, day);
}

#[cfg(test)]
#[path = "tests/authority.rs"]
mod tests;
