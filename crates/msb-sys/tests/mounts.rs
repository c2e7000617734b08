//! What listmount(2), statmount(2) and statx(2) say of mounts, held against /proc/self/mountinfo.

use msb_sys::at::{Numbers, lies};
use msb_sys::mount::{device, list};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::os::fd::AsRawFd;

/// Numbers and devices of the table.
fn table() -> Vec<(u64, (u64, u64))> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("a table");
    let mount = |line: &str| {
        let mut fields = line.split(' ');
        let number = fields.next()?.parse().ok()?;
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some((number, (major.parse().ok()?, minor.parse().ok()?)))
    };
    text.lines().map(|line| mount(line).expect(line)).collect()
}

#[test]
fn every_mount_is_listed_with_its_device() {
    let mut numbers = vec![0; 4096];
    let count = match list(&mut numbers) {
        Err(Errno::NOSYS) => return eprintln!("skipped, because this kernel has no listmount"),
        count => count.expect("a list"),
    };
    // Others may mount something meanwhile.
    let agree = (0..20).any(|_| {
        let count = list(&mut numbers).expect("a list");
        let mut listed: Vec<_> = numbers[..count].iter().filter_map(|number| device(*number).ok()).collect();
        let mut expected: Vec<_> = table().into_iter().map(|(_, device)| device).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        !listed.is_empty() && listed == expected
    });
    assert!(agree, "{:?}\n{:?}", &numbers[..count], table());
    let root = lies(CWD, "/", Numbers::Unique).expect("the root");
    let is_mount = table()
        .iter()
        .any(|(number, _)| lies(CWD, "/", Numbers::OfTable).is_ok_and(|root| root.mount == *number));
    assert_eq!(numbers[..count].contains(&root.mount), is_mount);
}

#[test]
fn a_short_list_is_filled() {
    let mut one = [0];
    match list(&mut one) {
        Err(Errno::NOSYS) => eprintln!("skipped, because this kernel has no listmount"),
        count => assert_eq!(count, Ok(1)),
    }
}

#[test]
fn a_place_lies_where_the_table_says() {
    let proc = lies(CWD, "/proc", Numbers::OfTable).expect("procfs");
    assert!(table().contains(&(proc.mount, proc.device)), "{proc:?}");
    let open = std::fs::File::open("/proc").expect("procfs");
    assert_eq!(lies(open.as_raw_fd(), "", Numbers::OfTable), Ok(proc));
    assert_eq!(lies(CWD, "/nothing/there", Numbers::OfTable), Err(Errno::NOENT));
    assert!(device(u64::MAX - 1).is_err());
}
