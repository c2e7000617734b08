//! Rules as netlink messages: one batch of linux/netfilter/nf_tables.h.
//!
//! Headers are in the order of the machine (every one that a plan is for is little endian), attributes in that of
//! the network. The last rule alone asks for an answer. An error is always answered, and an aborted batch acknowledges
//! its good messages too: the batch holds when that answer has come and no error has. (To a question in the message that
//! ends the batch, kernels before 6.10 give no answer.)

use crate::Batch;
use crate::reach::{Family, Reach, Transport};
use crate::ruleset::{Chain, Hook, Match, Rule, Ruleset, Set, Verdict};
use msb_plan::network::{GATEWAY_V4, GATEWAY_V6, REFUSALS_GROUP, STEERED_PORT};
use msb_policy::OriginId;
use std::net::IpAddr;

/// The name of the table.
const TABLE: &str = "sandbox";

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE` and `NLM_F_APPEND` of linux/netlink.h.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NLA_F_NESTED` of linux/netlink.h.
const NESTED: u16 = 0x8000;

/// Messages: `NFNL_MSG_BATCH_*`, and `NFT_MSG_NEW*` after `NFNL_SUBSYS_NFTABLES` (10).
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NEW_TABLE: u16 = 0x0a00;
const NEW_CHAIN: u16 = 0x0a03;
const NEW_RULE: u16 = 0x0a06;
const NEW_SET: u16 = 0x0a09;
const NEW_ELEMENTS: u16 = 0x0a0c;

/// `NFPROTO_INET` of linux/netfilter.h.
const INET: u8 = 1;
/// `NFTA_LIST_ELEM`.
const ITEM: u16 = 1;
/// Registers of four bytes: `NFT_REG32_00`, and the first after an address of each family.
const REGISTER: u32 = 8;
const AFTER_V4: u32 = 9;
const AFTER_V6: u32 = 12;

/// Elements in one message: an attribute's length is 16 bits, and one element has at most 72 bytes.
const ELEMENTS_PER_MESSAGE: usize = 800;

/// The finished messages.
pub(crate) fn batch(ruleset: &Ruleset) -> Batch {
    let mut out = Out::default();
    out.mark(ruleset.origin);
    out.control(BATCH_BEGIN, REQUEST);
    out.message(NEW_TABLE, CREATE, |to| to.text(1, TABLE));
    for (index, set) in ruleset.sets.iter().enumerate() {
        new_set(&mut out, set, id(index));
        for elements in set.elements.chunks(ELEMENTS_PER_MESSAGE) {
            new_elements(&mut out, set, id(index), elements);
            out.mark(ruleset.origin);
        }
    }
    ruleset.chains.iter().for_each(|chain| new_chain(&mut out, chain));
    let rules = || ruleset.chains.iter().flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
    let last = rules().count().saturating_sub(1);
    for (index, (chain, rule)) in rules().enumerate() {
        let ask = if index == last { ACK } else { 0 };
        new_rule(&mut out, ask, ruleset, chain, rule);
    }
    out.control(BATCH_END, REQUEST);
    Batch { bytes: out.bytes, marks: out.marks, refusals: refusals() }
}

/// Has what is refused logged: a rule before the others of its chain (without `NLM_F_APPEND`).
fn refusals() -> Vec<u8> {
    /// As much of a packet as says from whom to whom it is: the longest header of IPv4 with the ports behind it (RFC 791).
    const HEAD_BYTES: u32 = 64;
    let mut out = Out::default();
    out.control(BATCH_BEGIN, REQUEST);
    out.message(NEW_RULE, CREATE | ACK, |to| {
        to.text(1, TABLE);
        to.text(2, Hook::Refused.name());
        to.nested(4, |to| {
            // NFTA_LOG_GROUP, NFTA_LOG_SNAPLEN, and NFTA_LOG_QTHRESHOLD: each is told of at once.
            to.expression("log", |to| {
                to.bytes(1, &REFUSALS_GROUP.to_be_bytes());
                to.number(3, HEAD_BYTES);
                to.bytes(4, &1_u16.to_be_bytes());
            });
        });
    });
    out.control(BATCH_END, REQUEST);
    out.bytes
}

/// Sets are known to the rest of the batch by a number.
fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1)
}

fn new_set(out: &mut Out, set: &Set, id: u32) {
    // NFT_SET_INTERVAL and NFT_SET_CONCAT.
    const FLAGS: u32 = 0x4 | 0x80;
    // For nft(8) alone: its ipv4_addr or ipv6_addr, then inet_service, six bits each.
    let (length, kind) = match set.family {
        Family::V4 => (4, 7),
        Family::V6 => (16, 8),
    };
    out.message(NEW_SET, CREATE, |to| {
        to.text(1, TABLE);
        to.text(2, set.name());
        to.number(3, FLAGS);
        to.number(4, kind << 6 | 13);
        to.number(5, length + 4);
        to.number(10, id);
        to.nested(9, |to| {
            to.nested(2, |to| {
                to.nested(ITEM, |to| to.number(1, length));
                to.nested(ITEM, |to| to.number(1, 2));
            });
        });
    });
}

fn new_elements(out: &mut Out, set: &Set, id: u32, elements: &[Reach]) {
    out.message(NEW_ELEMENTS, CREATE, |to| {
        to.text(1, TABLE);
        to.text(2, set.name());
        to.number(4, id);
        to.nested(3, |to| {
            for element in elements {
                to.mark(element.origin);
                to.nested(ITEM, |to| {
                    to.nested(1, |to| to.bytes(1, &key(element.first, element.ports.0)));
                    to.nested(10, |to| to.bytes(1, &key(element.last, element.ports.1)));
                });
            }
        });
    });
}

/// An address, then a port, each filled up to four bytes.
fn key(address: IpAddr, port: u16) -> Vec<u8> {
    let mut key = match address {
        IpAddr::V4(it) => it.octets().to_vec(),
        IpAddr::V6(it) => it.octets().to_vec(),
    };
    key.extend(port.to_be_bytes());
    key.extend([0, 0]);
    key
}

fn new_chain(out: &mut Out, chain: &Chain) {
    // NF_INET_PRE_ROUTING and NF_INET_LOCAL_OUT of linux/netfilter.h; NF_IP_PRI_MANGLE and NF_IP_PRI_FILTER.
    let base = match chain.hook {
        Hook::Arrives => Some((0, -150)),
        Hook::Leaves => Some((3, 0_i32)),
        Hook::Refused => None,
    };
    const NF_DROP: u32 = 0;
    out.message(NEW_CHAIN, CREATE, |to| {
        to.text(1, TABLE);
        to.text(3, chain.hook.name());
        let Some((hook, priority)) = base else { return };
        to.nested(4, |to| {
            to.number(1, hook);
            to.number(2, priority.cast_unsigned());
        });
        to.number(5, NF_DROP);
        to.text(7, "filter");
    });
}

fn new_rule(out: &mut Out, ask: u16, ruleset: &Ruleset, chain: &Chain, rule: &Rule) {
    out.message(NEW_RULE, CREATE | APPEND | ask, |to| {
        to.text(1, TABLE);
        to.text(2, chain.hook.name());
        to.nested(4, |to| {
            for it in &rule.matches {
                expressions(to, ruleset, *it);
            }
            verdict(to, rule.verdict);
        });
    });
}

/// `NFT_META_NFPROTO` and `NFT_META_L4PROTO`.
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
/// `NFT_CMP_EQ` and `NFT_CMP_NEQ`.
const EQUAL: u32 = 0;
const DIFFERENT: u32 = 1;
/// Where a header has them: RFC 791, RFC 8200, RFC 9293 and RFC 768.
const SOURCE4: u32 = 12;
const DESTINATION4: u32 = 16;
const SOURCE6: u32 = 8;
const DESTINATION6: u32 = 24;
const PORT: u32 = 2;

fn expressions(to: &mut Out, ruleset: &Ruleset, it: Match) {
    match it {
        // NFPROTO_IPV4 and NFPROTO_IPV6 of linux/netfilter.h.
        Match::Family(family) => meta_is(to, NFPROTO, if family == Family::V4 { 2 } else { 10 }),
        Match::Transport(transport) => meta_is(to, L4PROTO, if transport == Transport::Tcp { 6 } else { 17 }),
        Match::ToLoopback4 => header(to, (NETWORK, DESTINATION4), EQUAL, &[127]),
        Match::To4(address) => header(to, (NETWORK, DESTINATION4), EQUAL, &address),
        Match::To6(address) => header(to, (NETWORK, DESTINATION6), EQUAL, &address),
        Match::NotFrom4(address) => header(to, (NETWORK, SOURCE4), DIFFERENT, &address),
        Match::NotFrom6(address) => header(to, (NETWORK, SOURCE6), DIFFERENT, &address),
        Match::Port(port) => header(to, (TRANSPORT, PORT), EQUAL, &port.to_be_bytes()),
        Match::In(index) => {
            let Some(set) = ruleset.sets.get(index) else { return };
            match set.family {
                Family::V4 => load(to, REGISTER, (NETWORK, DESTINATION4), 4),
                Family::V6 => load(to, REGISTER, (NETWORK, DESTINATION6), 16),
            }
            load(to, if set.family == Family::V4 { AFTER_V4 } else { AFTER_V6 }, (TRANSPORT, PORT), 2);
            to.expression("lookup", |to| {
                to.text(1, set.name());
                to.number(2, REGISTER);
                to.number(4, id(index));
            });
        }
    }
}

fn meta_is(to: &mut Out, key: u32, value: u8) {
    to.expression("meta", |to| {
        to.number(1, REGISTER);
        to.number(2, key);
    });
    compare(to, EQUAL, &[value]);
}

fn header(to: &mut Out, place: (u32, u32), how: u32, value: &[u8]) {
    load(to, REGISTER, place, u32::try_from(value.len()).unwrap_or(0));
    compare(to, how, value);
}

fn load(to: &mut Out, register: u32, (base, offset): (u32, u32), length: u32) {
    to.expression("payload", |to| {
        to.number(1, register);
        to.number(2, base);
        to.number(3, offset);
        to.number(4, length);
    });
}

fn compare(to: &mut Out, how: u32, value: &[u8]) {
    to.expression("cmp", |to| {
        to.number(1, REGISTER);
        to.number(2, how);
        to.nested(3, |to| to.bytes(1, value));
    });
}

fn immediate(to: &mut Out, register: u32, value: &[u8]) {
    to.expression("immediate", |to| {
        to.number(1, register);
        to.nested(2, |to| to.bytes(1, value));
    });
}

fn verdict(to: &mut Out, verdict: Verdict) {
    // NF_DROP and NF_ACCEPT of linux/netfilter.h, to NFT_REG_VERDICT.
    let decide = |to: &mut Out, code| {
        to.expression("immediate", |to| {
            to.number(1, 0);
            to.nested(2, |to| to.nested(2, |to| to.number(1, code)));
        });
    };
    match verdict {
        Verdict::Accept => decide(to, 1),
        Verdict::Drop => decide(to, 0),
        // NFT_GOTO of linux/netfilter/nf_tables.h, with NFTA_VERDICT_CHAIN.
        Verdict::Refuse => to.expression("immediate", |to| {
            to.number(1, 0);
            to.nested(2, |to| {
                to.nested(2, |to| {
                    to.number(1, (-4_i32).cast_unsigned());
                    to.text(2, Hook::Refused.name());
                });
            });
        }),
        Verdict::Steer(family) => {
            match family {
                Family::V4 => immediate(to, REGISTER, &GATEWAY_V4),
                Family::V6 => immediate(to, REGISTER, &GATEWAY_V6),
            }
            // Where nft(8) has it, too.
            let port = AFTER_V6;
            immediate(to, port, &STEERED_PORT.to_be_bytes());
            to.expression("tproxy", |to| {
                to.number(1, if family == Family::V4 { 2 } else { 10 });
                to.number(2, REGISTER);
                to.number(3, port);
            });
            decide(to, 1);
        }
        // NFT_REJECT_TCP_RST; NFT_REJECT_ICMPX_UNREACH with NFT_REJECT_ICMPX_ADMIN_PROHIBITED.
        Verdict::Reset => to.expression("reject", |to| {
            to.number(1, 1);
            to.bytes(2, &[0]);
        }),
        Verdict::Prohibit => to.expression("reject", |to| {
            to.number(1, 2);
            to.bytes(2, &[3]);
        }),
    }
}

/// Messages as they are written.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    marks: Vec<(u32, OriginId)>,
    sequence: u32,
}

impl Out {
    /// What follows is there for `origin`.
    fn mark(&mut self, origin: OriginId) {
        let at = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        match self.marks.last_mut() {
            Some(last) if last.1 == origin => {}
            Some(last) if last.0 == at => last.1 = origin,
            _ => self.marks.push((at, origin)),
        }
    }

    fn message(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Out)) {
        // struct nfgenmsg: family, version, and a resource that means nothing here.
        self.raw(kind, REQUEST | flags, [INET, 0, 0, 0], write);
    }

    /// Begins or ends the batch for nf_tables, whose number is in the order of the network.
    fn control(&mut self, kind: u16, flags: u16) {
        self.raw(kind, flags, [0, 0, 0, 10], |_| ());
    }

    fn raw(&mut self, kind: u16, flags: u16, head: [u8; 4], write: impl FnOnce(&mut Out)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(flags.to_le_bytes());
        self.bytes.extend(self.sequence.to_le_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend(head);
        self.sequence += 1;
        write(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Out)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_le_bytes());
        write(self);
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |to| to.bytes.extend(value));
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// With its final NUL.
    fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |to| {
            to.bytes.extend(value.as_bytes());
            to.bytes.push(0);
        });
    }

    fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Out)) {
        self.attribute(kind | NESTED, write);
    }

    /// `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
    fn expression(&mut self, name: &str, write: impl FnOnce(&mut Out)) {
        self.nested(ITEM, |to| {
            to.text(1, name);
            to.nested(2, write);
        });
    }
}
