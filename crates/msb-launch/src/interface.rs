//! Messages of netlink(7) for the sandbox's interface and for what is refused, put together when the launcher is compiled:
//! they depend on nothing but the addresses that every sandbox has.

use msb_plan::network::{OWN_V4, OWN_V6, REFUSALS_GROUP};

/// The loopback interface up.
pub(crate) const UP: [u8; UP_ALONE.length] = UP_ALONE.exact();
/// The interface up, with the sandbox's address of IPv4, and every address routed to it as local.
pub(crate) const V4: [u8; ONE.length] = ONE.exact();
/// The same with IPv6.
pub(crate) const BOTH: [u8; TWO.length] = TWO.exact();
/// What nf_tables refuses is written to this socket.
pub(crate) const REFUSALS: [u8; LOG.length] = LOG.exact();

// The last one asks for the answer; an error of any is answered.
const UP_ALONE: Messages = Messages::NONE.up(REQUEST | ACK);
const ONE: Messages = Messages::NONE.up(REQUEST).local(FAMILY_V4, &OWN_V4, REQUEST | NEW | ACK);
const TWO: Messages = Messages::NONE.up(REQUEST).local(FAMILY_V6, &OWN_V6, REQUEST | NEW).local(
    FAMILY_V4,
    &OWN_V4,
    REQUEST | NEW | ACK,
);
const LOG: Messages = Messages::NONE.log();

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_EXCL` and `NLM_F_CREATE` of linux/netlink.h.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const NEW: u16 = 0x200 | 0x400;
/// The loopback interface is the first of each namespace: `LOOPBACK_IFINDEX` of include/net/flow.h.
const LOOPBACK: [u8; 4] = 1_u32.to_le_bytes();

/// `AF_INET` and `AF_INET6` of linux/socket.h, and the bits of their addresses.
const FAMILY_V4: (u8, u8) = (2, 32);
const FAMILY_V6: (u8, u8) = (10, 128);

/// Messages one after another. What has no room does not compile.
struct Messages {
    bytes: [u8; 256],
    length: usize,
}

impl Messages {
    const NONE: Messages = Messages { bytes: [0; 256], length: 0 };

    const fn exact<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut at = 0;
        while at < N {
            bytes[at] = self.bytes[at];
            at += 1;
        }
        bytes
    }

    const fn with(mut self, bytes: &[u8]) -> Messages {
        let mut at = 0;
        while at < bytes.len() {
            self.bytes[self.length] = bytes[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    /// One message. The length of `head` is a multiple of four.
    const fn message(self, kind: u16, flags: u16, head: &[u8], attributes: &[(u16, &[u8])]) -> Messages {
        let mut length = 16 + head.len();
        let mut at = 0;
        while at < attributes.len() {
            length += 4 + attributes[at].1.len().next_multiple_of(4);
            at += 1;
        }
        // Its number among the messages: where it starts is as good as any.
        let number = low_bytes(self.length);
        let mut all = self.with(&low_bytes(length)).with(&kind.to_le_bytes()).with(&flags.to_le_bytes());
        all = all.with(&number).with(&[0; 4]).with(head);
        at = 0;
        while at < attributes.len() {
            let (kind, value) = attributes[at];
            let [low, high, ..] = low_bytes(4 + value.len());
            all = all.with(&[low, high]).with(&kind.to_le_bytes()).with(value);
            all.length = all.length.next_multiple_of(4);
            at += 1;
        }
        all
    }

    /// The interface up.
    const fn up(self, flags: u16) -> Messages {
        const RTM_NEWLINK: u16 = 16;
        // struct ifinfomsg: family and kind, interface, flags and which of them change (IFF_UP).
        let [a, b, c, d] = LOOPBACK;
        self.message(RTM_NEWLINK, flags, &[0, 0, 0, 0, a, b, c, d, 1, 0, 0, 0, 1, 0, 0, 0], &[])
    }

    /// An address of the interface, and a route that makes all others local, with this one as what is called from.
    const fn local(self, (family, bits): (u8, u8), own: &[u8], flags: u16) -> Messages {
        const RTM_NEWADDR: u16 = 20;
        const RTM_NEWROUTE: u16 = 24;
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        /// `IFA_F_NODAD`: nobody else is there to have it.
        const NODAD: u8 = 2;
        const RTA_OIF: u16 = 4;
        const RTA_PREFSRC: u16 = 7;
        // struct ifaddrmsg: family, bits, flags, scope (RT_SCOPE_UNIVERSE), interface.
        let [a, b, c, d] = LOOPBACK;
        let head = [family, bits, NODAD, 0, a, b, c, d];
        let all = self.message(RTM_NEWADDR, flags & !ACK, &head, &[(IFA_LOCAL, own), (IFA_ADDRESS, own)]);
        // struct rtmsg: family, bits of destination, of source, TOS, table (RT_TABLE_LOCAL), protocol (RTPROT_STATIC),
        // scope (RT_SCOPE_HOST), kind (RTN_LOCAL), flags.
        let head = [family, 0, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0];
        all.message(RTM_NEWROUTE, flags, &head, &[(RTA_OIF, &LOOPBACK), (RTA_PREFSRC, own)])
    }

    /// Binds the socket to [`REFUSALS_GROUP`] of nfnetlink_log.
    const fn log(self) -> Messages {
        /// `NFULNL_MSG_CONFIG` of `NFNL_SUBSYS_ULOG`; linux/netfilter/nfnetlink_log.h has these and the attributes.
        const CONFIG: u16 = 4 << 8 | 1;
        /// `NFULA_CFG_CMD` and `NFULNL_CFG_CMD_BIND`.
        const COMMAND: u16 = 1;
        const BIND: u8 = 1;
        /// `NFULA_CFG_NLBUFSIZ`, and bytes of one message: by default a page is kept for each, and few have room in the
        /// socket.
        const MESSAGE: u16 = 3;
        const MESSAGE_BYTES: u32 = 512;
        /// `NFULA_CFG_FLAGS` and `NFULNL_CFG_F_SEQ`: messages are numbered, so that one that had no room is missed.
        const FLAGS: u16 = 6;
        const NUMBERED: u16 = 1;
        // struct nfgenmsg: family, version, group.
        let [high, low] = REFUSALS_GROUP.to_be_bytes();
        self.message(
            CONFIG,
            REQUEST | ACK,
            &[0, 0, high, low],
            &[(COMMAND, &[BIND]), (MESSAGE, &MESSAGE_BYTES.to_be_bytes()), (FLAGS, &NUMBERED.to_be_bytes())],
        )
    }
}

#[expect(clippy::cast_possible_truncation, reason = "fewer than there is room for")]
const fn low_bytes(length: usize) -> [u8; 4] {
    (length as u32).to_le_bytes()
}
