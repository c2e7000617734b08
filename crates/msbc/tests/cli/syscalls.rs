//! msbc syscalls.

use crate::host::Host;

#[test]
fn the_whole_table_is_printed() {
    let host = Host::new();
    let said = host.msbc(&["syscalls"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.starts_with("   0  read(fd, buf, count)\n"), "{}", said.out);
    assert!(said.out.lines().count() > 370);
    let there = host.msbc(&["syscalls", "--arch", "aarch64"]).out;
    assert!(there.starts_with("   0  io_setup("), "{there}");
}

#[test]
fn one_call_is_printed_with_everything_about_it() {
    let host = Host::new();
    for search in ["ioctl", "16"] {
        let said = host.msbc(&["syscalls", search]).out;
        let begin = "call     ioctl(int fd, unsigned int cmd, unsigned long arg)\n\
                     number   16 on x86_64, 29 on aarch64, 54 on i386\n\
                     since    Linux 1.0 or earlier\n\
                     groups   @system-service @python-runtime\n\n\
                     fd: a file descriptor, 32 bits\n";
        assert!(said.starts_with(begin), "{said}");
        assert!(
            said.contains("cmd: one of `ioctl_cmd`, 32 bits\n") && said.contains("TIOCSTI=0x5412"),
            "{said}"
        );
        assert!(said.lines().all(|line| line.len() <= 100), "{said}");
    }
    let gone = host.msbc(&["syscalls", "open", "--arch", "aarch64"]).out;
    assert!(gone.contains(" openat(") && !gone.contains(" open("), "{gone}");
}

#[test]
fn calls_are_found_by_parts_arguments_constants_and_groups() {
    let host = Host::new();
    let names = |arguments: &[&str]| -> Vec<String> {
        let said = host.msbc(&[&["syscalls"], arguments].concat());
        let name = |line: &str| line.get(6..)?.split('(').next().map(str::to_owned);
        said.out.lines().filter_map(name).collect()
    };
    assert_eq!(names(&["etxattrat"]), ["setxattrat", "getxattrat"]);
    assert_eq!(names(&["PROT_EXEC"]), ["mmap", "mprotect", "remap_file_pages", "pkey_mprotect"]);
    assert!(
        host.msbc(&["syscalls", "sv"]).out.starts_with("call     socketpair("),
        "an argument of one call"
    );
    assert_eq!(names(&["--group", "@keyring"]), ["add_key", "request_key", "keyctl"]);
    host.msbc(&["syscalls", "reed"]).fails(1, &["no system call has `reed`"]);
    host.msbc(&["syscalls", "--group", "@nothing"])
        .fails(2, &["there is no group `@nothing`", "@file-system"]);
}

#[test]
fn the_table_is_there_as_json() {
    let host = Host::new();
    let said = host.msbc(&["syscalls", "socket", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    let call = &all[0];
    assert_eq!(call["name"], "socket");
    assert_eq!(call["number"], 41);
    assert_eq!(call["arguments"][0]["bits"], 32);
    assert_eq!(call["arguments"][0]["constants"]["AF_ALG"], 38);
    assert!(call["groups"].as_array().is_some_and(|groups| groups.contains(&"@network-io".into())));
    let everything = host.msbc(&["syscalls", "--json"]).out;
    let all: serde_json::Value = serde_json::from_str(&everything).expect("JSON");
    assert!(all.as_array().is_some_and(|all| all.len() > 370));
}
