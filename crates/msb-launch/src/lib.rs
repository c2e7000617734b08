//! Applies a plan and starts the command, in a fixed order that no plan can change.
//!
//! ```text
//! host        plan, parameters, sources, denied places, cgroup        (prepare, host, search, cgroup)
//!             what the policy asserts of them                         (claims)
//!             the gateway, where there are network rules              (gateway)
//! namespaced  clone3, id maps, host name                              (spawn, child)
//!             mounts, /dev, /proc, certificates, denies               (root, overlay, deny, dev, trust)
//!             network, for a gateway, with the sockets that it gets   (child, network, netlink)
//! rooted      pivot_root, detach the old root                         (root)
//!             network otherwise, made beside the mounts               (child)
//! confined    rlimits, keyring, no_new_privs, capabilities, Landlock  (confine, landlock)
//! exec        init (pid 1) forks; the command loads the filter, then execve (init, command)
//! ```
//!
//! The parent stays outside: it waits, forwards signals, holds the wall clock and whatever limit no cgroup
//! holds, and gives back the exit code (`parent`). If it dies, everything inside dies.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arguments;
mod bind;
mod cgroup;
mod child;
mod claims;
mod command;
mod confine;
mod deny;
mod describe;
mod dev;
mod environment;
mod fail;
mod files;
mod gateway;
mod gather;
mod guard;
mod host;
mod ids;
mod init;
mod interface;
mod json;
mod killed;
mod landlock;
mod message;
mod mounts;
mod names;
mod netlink;
mod network;
mod output;
mod overlap;
mod overlay;
mod parent;
mod path;
mod placeholders;
mod plan_file;
mod prepare;
mod pump;
mod root;
mod search;
mod signature;
mod sockets;
mod spawn;
mod spelling;
mod storage;
mod terminal;
mod text;
mod tier;
mod timing;
mod trust;
mod watch;

pub use prepare::run;

#[cfg(test)]
mod tests;
