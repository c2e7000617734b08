use super::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

fn certificate() -> (String, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    (made.pem(), made.der().to_vec())
}

/// How many there are, and those of `all` that are in there.
fn read(store: &[u8], all: &[Vec<u8>]) -> (u32, Vec<bool>) {
    let count = u32::from_be_bytes(store[8..12].try_into().unwrap());
    let has = |der: &Vec<u8>| store.windows(der.len()).any(|window| window == der);
    (count, all.iter().map(has).collect())
}

#[test]
fn what_is_a_certificate_is_in_there_whatever_is_beside_it() {
    let (one, two) = (certificate(), certificate());
    let (first, second) = (one.0.as_str(), two.0.replace('\n', "\r\n"));
    let broken = first.replace("MII", "?!?");
    let other = "-----BEGIN CERTIFICATE-----\nAgEB\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";
    let both = vec![one.1.clone(), two.1.clone()];
    for bundle in [
        format!("{first}{second}"),
        format!("# words\n{first}\n\nwords = words\n{second}words"),
        format!("{broken}{first}{key}{other}{second}"),
        format!("{first}{second}-----BEGIN CERTIFICATE-----\nMIIB"),
    ] {
        assert_eq!(read(&jks(bundle.as_bytes()), &both), (2, vec![true, true]), "{bundle}");
    }
    let bytes = [b"\xff\xfe", first.as_bytes()].concat();
    assert_eq!(read(&jks(&bytes), &both), (1, vec![true, false]));
    assert_eq!(read(&jks(b""), &both), (0, vec![false, false]));
}

#[test]
fn the_hosts_certificates_are_all_in_there() {
    let Ok(bundle) = std::fs::read("/etc/ssl/certs/ca-certificates.crt") else {
        println!("skipped, because the host has no certificates in one file");
        return;
    };
    let all: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(&bundle).flatten().map(|certificate| certificate.to_vec()).collect();
    let (count, has) = read(&jks(&bundle), &all);
    assert_eq!(count as usize, all.len());
    assert!(has.iter().all(|it| *it));
}
