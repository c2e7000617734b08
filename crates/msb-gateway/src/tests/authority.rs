use super::*;
use rustls::pki_types::pem::PemObject as _;

#[test]
fn the_trust_file_ends_with_this_runs_certificate() {
    let authority = Authority::new().unwrap_or_else(|Failed(why)| panic!("{why}"));
    let trust = authority.trust();
    let last = CertificateDer::pem_slice_iter(&trust).filter_map(Result::ok).last();
    let own = CertificateDer::from_pem_slice(authority.certificate.as_bytes()).ok();
    assert!(own.is_some());
    assert_eq!(last, own);
    let text = String::from_utf8_lossy(&trust);
    assert!(!text.contains("PRIVATE KEY"));
}

#[test]
fn certificates_that_not_everybody_may_read_are_told_apart() {
    let none = named(|_| None);
    assert!(none.is_empty());
    let both = |name: &str| match name {
        "SSL_CERT_FILE" => Some("/one".into()),
        "SSL_CERT_DIR" => Some("/two::/three".into()),
        _ => None,
    };
    assert_eq!(named(both), ["/one", "/two", "/three"].map(PathBuf::from));

    let dir = tempfile::tempdir().unwrap();
    let permit = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (folder, file) = (dir.path().to_owned(), dir.path().join("ca.pem"));
    std::fs::write(&file, "").unwrap();
    for (of_folder, of_file, everybody) in
        [(0o755, 0o644, true), (0o711, 0o604, true), (0o755, 0o640, false), (0o750, 0o644, false)]
    {
        permit(&file, of_file);
        permit(&folder, of_folder);
        let may = are_for_everybody(std::slice::from_ref(&file));
        assert_eq!(may, everybody, "{of_folder:o} {of_file:o}");
    }
    permit(&folder, 0o755);
    permit(&file, 0o644);
    assert!(!are_for_everybody(std::slice::from_ref(&folder)), "links in it lead anywhere");
    assert!(!are_for_everybody(&[file.clone(), folder.clone()]));
    assert!(are_for_everybody(&[file, folder.join("not-there")]));
}

#[test]
fn every_target_can_have_a_certificate() {
    let authority = Authority::new().unwrap_or_else(|Failed(why)| panic!("{why}"));
    let long = format!("{}.example", ["a".repeat(60), "b".repeat(60)].join("."));
    for target in [
        Target::Name("api.example.org".to_owned()),
        Target::Name(long),
        Target::Address([203, 0, 113, 1].into()),
        Target::Loopback,
    ] {
        let made = authority.server(&target, &vec![b"h2".to_vec()]);
        assert!(made.is_ok_and(|config| config.alpn_protocols == [b"h2".to_vec()]), "{target}");
    }
}
