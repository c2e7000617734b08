//! Addresses, ranges of them, and what kind of place each is.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// Addresses with a common beginning: `10.0.0.0/8`. One address has all of its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The first of them.
    address: IpAddr,
    /// How many bits they share.
    bits: u8,
}

/// Why a text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadNetwork {
    /// No address.
    Address,
    /// More bits than the address has, or none that is a number.
    Bits,
    /// The address is not the first of its range; this is the range.
    NotFirst(Network),
}

impl Network {
    /// One address.
    #[must_use]
    pub fn of(address: IpAddr) -> Network {
        let address = plain(address);
        Network { address, bits: width(address) }
    }

    /// Those that share `bits` first bits with `first`; `None` if `first` is not the first of them.
    #[must_use]
    pub fn new(first: IpAddr, bits: u8) -> Option<Network> {
        let fits = bits <= width(first) && masked(first, bits) == first;
        fits.then_some(Network { address: first, bits })
    }

    /// Those that share `bits` first bits with `address`, at most as many as it has.
    #[must_use]
    pub fn containing(address: IpAddr, bits: u8) -> Network {
        let bits = bits.min(width(address));
        Network { address: masked(address, bits), bits }
    }

    /// Reads `10.0.0.0/8`, `10.1.2.3`, `[2001:db8::]/32` or `[::1]`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Network, BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::Address)?;
        let Some(bits) = bits else { return Ok(Network::of(address)) };
        let bits: u8 = bits.parse().map_err(|_| BadNetwork::Bits)?;
        if bits > width(address) {
            return Err(BadNetwork::Bits);
        }
        let first = Network { address: masked(address, bits), bits };
        if first.address == address { Ok(first) } else { Err(BadNetwork::NotFirst(first)) }
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.address
    }

    /// The last of them.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let rest = u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv4Addr::from(u32::from(address) | rest).into()
            }
            IpAddr::V6(address) => {
                let rest = u128::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv6Addr::from(u128::from(address) | rest).into()
            }
        }
    }

    /// How many first bits they share.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether it is a single address.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.bits == width(self.address)
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = plain(address);
        width(address) == width(self.address) && masked(address, self.bits) == self.address
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub fn covers(&self, other: &Network) -> bool {
        self.bits <= other.bits && self.contains(other.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            IpAddr::V4(address) => write!(f, "{address}")?,
            IpAddr::V6(address) => write!(f, "[{address}]")?,
        }
        if self.is_one() { Ok(()) } else { write!(f, "/{}", self.bits) }
    }
}

/// An IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2) is the IPv4 address.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from(u32::from(address) & !rest).into()
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from(u128::from(address) & !rest).into()
        }
    }
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The host itself.
    Loopback,
    /// Where clouds give out credentials.
    Metadata,
    /// Networks of one's own: RFC 1918, RFC 6598, RFC 4193, RFC 8215, RFC 3879.
    Private,
    /// The link, or nothing that can be connected to: link-local, multicast, broadcast, unspecified, reserved, discarded.
    Special,
    /// Any other.
    Public,
}

/// Addresses of metadata services: AWS, GCP and Azure; ECS; AWS by IPv6; Alibaba; Azure's wire server; Oracle.
pub const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Names that clouds give their metadata services.
pub const METADATA_NAMES: &[&str] =
    &["instance-data", "instance-data.ec2.internal", "metadata", "metadata.goog", "metadata.google.internal"];

/// Ranges of the kinds, the special first; IANA's special-purpose address registries.
const KINDS: &[(&str, Kind)] = &[
    ("127.0.0.0/8", Kind::Loopback),
    ("[::1]", Kind::Loopback),
    ("10.0.0.0/8", Kind::Private),
    ("172.16.0.0/12", Kind::Private),
    ("192.168.0.0/16", Kind::Private),
    ("100.64.0.0/10", Kind::Private),
    ("[fc00::]/7", Kind::Private),
    // RFC 8215: NAT64 to networks of one's own. RFC 3879: site-local, which some networks still have.
    ("[64:ff9b:1::]/48", Kind::Private),
    ("[fec0::]/10", Kind::Private),
    ("0.0.0.0/8", Kind::Special),
    ("169.254.0.0/16", Kind::Special),
    ("192.0.0.0/24", Kind::Special),
    ("198.18.0.0/15", Kind::Special),
    ("224.0.0.0/3", Kind::Special),
    // RFC 4291, 2.5.5.1: IPv4 written as IPv6 in a way that nobody routes, and the unspecified address.
    ("[::]/96", Kind::Special),
    ("[100::]/64", Kind::Special),
    ("[2001:2::]/48", Kind::Special),
    ("[fe80::]/10", Kind::Special),
    ("[ff00::]/8", Kind::Special),
];

/// [`KINDS`], read.
static RANGES: LazyLock<Vec<(Network, Kind)>> = LazyLock::new(|| {
    let read = |(range, kind): &(&str, Kind)| Some((Network::parse(range).ok()?, *kind));
    KINDS.iter().filter_map(read).collect()
});

/// What `address` is for. An IPv6 address that carries an IPv4 one (NAT64, RFC 6052; 6to4, RFC 3056) is of the kind
/// of that.
#[must_use]
pub fn kind(address: IpAddr) -> Kind {
    let address = plain(address);
    if METADATA.contains(&address) {
        return Kind::Metadata;
    }
    if let IpAddr::V6(v6) = address
        && let Some(carried) = carried(v6)
    {
        return kind(IpAddr::V4(carried));
    }
    let range = RANGES.iter().find(|(range, _)| range.contains(address));
    range.map_or(Kind::Public, |(_, kind)| *kind)
}

/// Ranges at whose ends [`kind`] may change, those of addresses that carry another one among them.
pub fn borders() -> impl Iterator<Item = Network> {
    let known = RANGES.iter().map(|(range, _)| *range);
    known
        .chain(METADATA.iter().map(|it| Network::of(*it)))
        .flat_map(|range| match range.address {
            IpAddr::V6(_) => vec![range],
            IpAddr::V4(address) => {
                let bits = u128::from(u32::from(address));
                let six = |address: u128, more| Network {
                    address: Ipv6Addr::from(address).into(),
                    bits: more + range.bits,
                };
                vec![range, six(NAT64 | bits, 96), six(SIX_TO_FOUR | bits << 80, 16)]
            }
        })
        .chain(
            [(NAT64, 96), (SIX_TO_FOUR, 16)]
                .map(|(address, bits)| Network { address: Ipv6Addr::from(address).into(), bits }),
        )
}

/// 64:ff9b::/96, RFC 6052.
const NAT64: u128 = 0x0064_ff9b << 96;
/// 2002::/16, RFC 3056.
const SIX_TO_FOUR: u128 = 0x2002 << 112;

fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}
