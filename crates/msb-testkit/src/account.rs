//! Who launches: root and an ordinary user, since the launcher goes different ways for each.

use crate::skip::{Need, skip};
use nix::unistd::{User, getegid, geteuid};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The user who is taken when `MSB_TEST_USER` names none: a number that nobody has, below the range that
/// systemd hands out (61184 to 65519) and above that of people.
const SPARE_ID: u32 = 61_000;

/// A user on whose behalf a test launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// User id on the host.
    pub uid: u32,
    /// Group id on the host.
    pub gid: u32,
}

impl Account {
    /// Who runs the tests.
    #[must_use]
    pub fn current() -> Account {
        Account { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// Whether this is root.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Root; a test that does not run as root is skipped.
    #[must_use]
    pub fn root() -> Option<Account> {
        if Account::current().is_root() {
            return Some(Account::current());
        }
        skip(Need::Root, "this test needs root");
        None
    }

    /// A user besides root: who runs the tests, else `$MSB_TEST_USER`, else a number without a name.
    ///
    /// # Panics
    /// When `MSB_TEST_USER` names nobody, or root.
    #[must_use]
    pub fn ordinary() -> Account {
        if !Account::current().is_root() {
            return Account::current();
        }
        let Ok(name) = std::env::var("MSB_TEST_USER") else {
            return Account { uid: SPARE_ID, gid: SPARE_ID };
        };
        let user =
            User::from_name(&name).ok().flatten().unwrap_or_else(|| panic!("there is no user `{name}`"));
        assert!(!user.uid.is_root(), "MSB_TEST_USER must not be root");
        Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }
    }

    /// Has `command` run as this user, without supplementary groups.
    pub fn applies_to(self, command: &mut Command) {
        if self != Account::current() {
            // std drops the supplementary groups when root sets a user id.
            command.uid(self.uid).gid(self.gid);
        }
    }
}

/// Every account that this process can launch as: root and an ordinary user where it is root, else itself.
#[must_use]
pub fn accounts() -> Vec<Account> {
    let current = Account::current();
    if current.is_root() { vec![current, Account::ordinary()] } else { vec![current] }
}
