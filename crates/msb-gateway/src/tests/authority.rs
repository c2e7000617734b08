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
