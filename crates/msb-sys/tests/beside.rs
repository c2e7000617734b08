//! Processes that share memory: what they leave is there, and a network namespace comes whoever makes it.

use msb_sys::{beside, process};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn a_process_that_is_waited_for_leaves_what_it_found() {
    let own = std::process::id();
    let (child, words) = beside::vfork(0, &mut |words| words.set(0, std::process::id())).expect("a process");
    // It has ended by now, and said with its own number so.
    let usage = process::wait(child).expect("a child");
    assert_eq!((usage.wait_status >> 8, usage.wait_status & 0x7f), (127, 0));
    assert_eq!(words.get(0), child.as_raw_nonzero().get().unsigned_abs());
    assert_ne!(words.get(0), own);
}

/// The namespaces of this thread.
fn namespace() -> PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace")
}

#[test]
fn a_network_namespace_is_made_beside_or_here() {
    let mut before = namespace();
    // At once, where the maker may not have begun, and when it has ended for long.
    for pause_ms in [0, 0, 0, 50] {
        let network = beside::network().expect("a process");
        std::thread::sleep(Duration::from_millis(pause_ms));
        match network.enter() {
            Ok(()) => {}
            // Without the right to make one it fails, and this thread stays where it is.
            Err(rustix::io::Errno::PERM) => {
                assert_eq!(namespace(), before);
                println!("skipped, because only root makes network namespaces without a user namespace");
                return;
            }
            Err(errno) => panic!("no namespace: {errno:?}"),
        }
        let after = namespace();
        assert_ne!(after, before);
        before = after;
    }
}
